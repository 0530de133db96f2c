"""What results are measured by, by name: each over all ground truths of a set at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from smoothkit.core.errors import OptionError
from smoothkit.core.signature import nearest
from smoothkit.metrics import calculate_metric
from smoothkit.metrics.dists import find_weights as find_dists
from smoothkit.metrics.dists import load_dists
from smoothkit.metrics.perceptual import find_weights as find_lpips
from smoothkit.metrics.perceptual import load_lpips
from smoothkit.metrics.several import psnr_ssim
from smoothkit.ops.io import to_float, to_uint8
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.hggt_sr.multi_gt import Measure

KNOWN = ("psnr", "ssim", "lpips", "dists", "niqe")
_NIQE_BLOCK = 96
LOWER_IS_BETTER = ("lpips", "dists", "niqe")


def measure_of(
    metrics: Sequence[str],
    *,
    crop_border: int = 4,
    test_y_channel: bool = False,
    device: str = "cpu",
    lpips_weights: str | None = None,
    dists_weights: str | None = None,
    vgg_weights: str | None = None,
) -> Measure:
    """All of ``metrics`` in one pass over a result and its ground truths.

    Args:
        metrics: some of ``KNOWN``.
        crop_border: pixels left out on all four sides.
        test_y_channel: PSNR and SSIM of the luminance.
        device: where features are computed.
        lpips_weights, dists_weights, vgg_weights: files of weights; ~ looks where they are kept.

    Raises:
        OptionError: an unknown metric.
        DataError: weights that are not on this machine.
    """
    for name in metrics:
        if name not in KNOWN:
            raise OptionError(f"{name}: no such metric. {nearest(name, KNOWN)}Known: {KNOWN}.")
    judges: dict[str, torch.nn.Module] = {}
    if "lpips" in metrics:
        judges["lpips"] = load_lpips(
            "alex", find_lpips("alex", lpips_weights, key="--lpips_weights"), device
        )
    if "dists" in metrics:
        judges["dists"] = load_dists(
            *find_dists(dists_weights, vgg_weights, keys=("--dists_weights", "--vgg_weights")),
            device,
        )

    def measure(result: np.ndarray, truths: Sequence[np.ndarray]) -> Mapping[str, Sequence[float]]:
        values: dict[str, Sequence[float]] = {}
        if {"psnr", "ssim"} & set(metrics):
            pairs = psnr_ssim(
                result, truths, crop_border=crop_border, test_y_channel=test_y_channel
            )
            values["psnr"], values["ssim"] = zip(*pairs, strict=True)
        if judges:
            stack = torch.stack([_cropped(t, crop_border) for t in truths]).to(device)
            own = _cropped(result, crop_border)[None].to(device)
            values |= {name: judge(own, stack).tolist() for name, judge in judges.items()}
        if "niqe" in metrics:
            options = {"type": "calculate_niqe", "crop_border": crop_border}
            levels = result if result.dtype == np.uint8 else to_uint8(to_float(result))
            _refuse_small(levels, crop_border)
            values["niqe"] = [calculate_metric({"img": levels}, options)] * len(truths)
        return {name: values[name] for name in metrics}

    return measure


def _refuse_small(image: np.ndarray, border: int) -> None:
    """NIQE compares the spread of its features over blocks, of which it needs two."""
    height, width = (side - 2 * border for side in image.shape[:2])
    if (height // _NIQE_BLOCK) * (width // _NIQE_BLOCK) < 2:
        blocks = f"two blocks of {_NIQE_BLOCK}x{_NIQE_BLOCK} pixels"
        raise ValueError(f"NIQE needs {blocks} inside crop_border, got {height}x{width}.")


def _cropped(image: np.ndarray, border: int) -> torch.Tensor:
    height, width = image.shape[:2]
    tensor = to_tensor(to_float(image))
    return tensor[:, border : height - border, border : width - border]
