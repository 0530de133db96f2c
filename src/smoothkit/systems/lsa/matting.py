"""A trained matting network as a function of images and trimaps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from smoothkit.core.devices import choose_precision
from smoothkit.core.errors import DataError
from smoothkit.models.folding import fold_batch_norm
from smoothkit.models.load import device_called, load_network
from smoothkit.ops.io import to_float
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.predict import MattingPredictor
from smoothkit.systems.lsa.trimap import checked_trimap

log = logging.getLogger(__name__)


class Matting:
    """Callable: an image and its trimap in, alpha out.

    Args:
        net: a matting network; a copy in evaluation mode is kept.
        device: where it runs.
        predictor: how alpha is found; by default in one pass, large images made smaller.
        dtype: of the arithmetic, under autocast where it is not float32; refinement is in float32.
    """

    def __init__(
        self,
        net: nn.Module,
        device: torch.device | str = "cpu",
        predictor: MattingPredictor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = torch.device(device)
        self.predictor = predictor or MattingPredictor()
        folded = fold_batch_norm(net).requires_grad_(False)
        self.net: Any = folded.to(self.device).to(memory_format=torch.channels_last)
        self.dtype = dtype

    def __call__(self, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        """Alpha (H, W) float32 in [0, 1].

        Args:
            image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, whose alpha is not looked at; uint8 or
                uint16.
            trimap: (H, W), or (H, W, 3) with equal channels: below 50 background, above 200
                foreground, else unknown; uint8 or uint16.

        Raises:
            DataError: images of different sizes, or too large for the memory.
        """
        trimap = checked_trimap(trimap, "trimap", levels="snap")
        if image.shape[:2] != trimap.shape:
            sizes = f"{image.shape[0]}x{image.shape[1]}, got {trimap.shape[0]}x{trimap.shape[1]}"
            raise DataError(f"the trimap must have the size of the image, {sizes}.")
        colors = image if image.ndim == 2 else image[..., :3]
        pixels = to_tensor(to_float(colors)).expand(3, -1, -1)
        planes = to_tensor(to_float(trimap))
        with self._autocast():
            alpha = self.predictor(
                self.net, pixels[None].to(self.device), planes[None].to(self.device)
            )
        found: np.ndarray = alpha[0, 0].cpu().numpy()
        return found

    def _autocast(self) -> AbstractContextManager[Any]:
        is_mixed = self.dtype != torch.float32 and self.predictor.refine is None
        return torch.autocast(self.device.type, self.dtype, enabled=is_mixed)


def load_matting(
    path: str | Path,
    *,
    network: Mapping[str, Any] | str | None = None,
    device: str = "auto",
    amp: Literal["off", "auto", "bf16", "fp16"] = "off",
    predictor: MattingPredictor | None = None,
) -> Matting:
    """The matting network in a file of weights, as a function of images and trimaps.

    Args:
        path: weights in any of the known layouts.
        network: its name, or its ``network_g`` section; what is left out comes from the file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        amp: precision of the arithmetic; ``auto`` takes bf16 where the hardware has it.
        predictor: how alpha is found.

    Raises:
        DataError: the file cannot be used, or holds another kind of network.
        OptionError: unknown network, option or device.
    """
    net, _ = load_network(path, network)
    if not hasattr(net, "inputs"):
        raise DataError(
            f"{path}: holds {type(net).__name__}, which takes no trimap. Use "
            "'python -m smoothkit.inference'."
        )
    chosen = device_called(device)
    return Matting(net, chosen, predictor, choose_precision(amp, chosen))
