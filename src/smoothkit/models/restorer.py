"""A trained network that takes images of any kind and size."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isqrt
from types import MappingProxyType
from typing import Any, Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from smoothkit.core.devices import refuse_device_failure
from smoothkit.core.errors import DataError
from smoothkit.core.image_io import ImageIO
from smoothkit.models.finite import finite
from smoothkit.models.folding import fold_batch_norm
from smoothkit.models.memory import budget, bytes_per_pixel
from smoothkit.models.predictor import named_outputs
from smoothkit.models.tiling import SMALLEST_TILE, Tiling
from smoothkit.ops.io import Rounding, to_float, to_uint8, to_uint16
from smoothkit.ops.pad import pad_to
from smoothkit.ops.tensor import Color
from smoothkit.ops.tile import Tile

Grey = Literal["keep", "color"]


@dataclass(frozen=True)
class RestorerSettings:
    """How a network is run on images.

    Args:
        color: channel order that the network was trained with.
        rounding: to 8 bits; 16 bits are always rounded.
        grey: ``keep`` gives the mean of a colour network's channels for a grey image, ``color`` the
            channels.
        tile_size: largest side of a tile in pixels, or ``auto``: that of the network's own
            ``default_tile``, else what memory allows.
        tile_pad: by how much tiles overlap; ~ takes that of the network's own, else its radius,
            which makes the result that of the whole image.
        dtype: of the arithmetic, under autocast where it is not float32.
    """

    color: Color = "rgb"
    rounding: Rounding = "round"
    grey: Grey = "keep"
    tile_size: int | Literal["auto"] = "auto"
    tile_pad: int | None = None
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        """Refuse values that nothing could be made of.

        Raises:
            ValueError: names the setting.
        """
        if self.tile_size != "auto" and (not isinstance(self.tile_size, int) or self.tile_size < 1):
            raise ValueError(f"tile_size: must be 'auto' or 1 and more, got {self.tile_size!r}.")
        if self.tile_pad is not None and self.tile_pad < 0:
            raise ValueError(f"tile_pad: must be 0 or more, got {self.tile_pad}.")
        choices = {"color": Color, "rounding": Rounding, "grey": Grey}
        for name, known in ((name, get_args(kind)) for name, kind in choices.items()):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name}: must be one of {', '.join(known)}, got {value!r}.")


class Restorer:
    """Callable: an image in, the network's image out, of the same kind.

    Large images go through in tiles that are cut on the CPU; only one is on the device at a time.

    Args:
        net: the network; a copy in evaluation mode is kept.
        device: where it runs.
        settings: how.
        network: its section, with every option; empty where it is not known.
    """

    def __init__(
        self,
        net: nn.Module,
        device: torch.device | str = "cpu",
        settings: RestorerSettings | None = None,
        network: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.device = torch.device(device)
        self.network = dict(network)
        self.settings = settings or RestorerSettings()
        self.io: ImageIO = getattr(net, "io", None) or _observed_io(net)
        folded = fold_batch_norm(net).requires_grad_(False)
        self.net = folded.to(self.device).to(memory_format=torch.channels_last)
        self._bytes_per_pixel: float | None = None
        self.tiling: Tiling[np.ndarray] = Tiling(self.io, self._overlap(), self.device)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The result for an RGB image.

        Args:
            image: (H, W), (H, W, 1), (H, W, 3) or, with alpha as the last channel, (H, W, 2) or
                (H, W, 4); uint8, uint16, or floats in [0, 1].

        Returns:
            The same kind of array, larger by the network's scale. Floats are not clipped. Grey
            stays grey unless the settings say otherwise; alpha is kept.

        Raises:
            ValueError: another shape or type.
            DataError: the image does not fit the network or the memory, or the network gives NaN
                or infinity.
        """
        return self.restore(image, "rgb")

    def restore(self, image: np.ndarray, order: Color) -> np.ndarray:
        """``__call__`` for an image whose colours are in the given order."""
        colors, alpha = _split_alpha(image)
        turn = slice(None, None, 1 if order == self.settings.color else -1)
        if colors.shape[2] == 1 and self.io.channels == 3:
            result = self._tiled(np.repeat(colors, 3, axis=2))
            keeps_grey = self.settings.grey == "keep"
            result = _mean_of_channels(result) if keeps_grey else result[..., turn]
        elif colors.shape[2] == self.io.channels:
            result = self._tiled(colors[..., turn])[..., turn]
        else:
            raise DataError(
                f"the network takes {self.io.channels} channels, the image has {colors.shape[2]}."
            )
        return _joined(result, alpha, like=image, scale=self.io.scale)

    def _tiled(self, pixels: np.ndarray) -> np.ndarray:
        height, width, _ = pixels.shape
        if fault := self.io.size_fault(height, width):
            raise DataError(f"{type(self.net).__name__}: {fault}")
        scale = self.io.scale
        out: np.ndarray | None = None
        size = self._tile_size(height, width)
        parts = self.tiling.run(height, width, size, lambda tile: self._result(pixels, tile))
        for part, result in parts:
            if out is None:
                shape = (height * scale, width * scale, result.shape[2])
                out = np.empty(shape, result.dtype)
            out[part.outside(scale)] = result
        assert out is not None
        return out

    def _tile_size(self, height: int, width: int) -> int:
        size, overlap = self.settings.tile_size, self.tiling.overlap
        if size == "auto":
            if self.io.default_tile is not None:
                return self.io.default_tile[0]
            return self._affordable_side(height, width, overlap)
        if overlap is None and size < max(height, width):
            raise DataError(
                "how far this network sees is not known, so its tiles may not fit together. "
                "Give tile_pad to cut it into tiles anyway."
            )
        return size

    def _overlap(self) -> int | None:
        if self.settings.tile_pad is not None:
            return self.settings.tile_pad
        return self.io.default_tile[1] if self.io.default_tile is not None else self.io.radius

    def _affordable_side(self, height: int, width: int, overlap: int | None) -> int:
        if self._bytes_per_pixel is None:
            self._bytes_per_pixel = bytes_per_pixel(self._forward, self._probe)
        pixels = budget(self.device) / self._bytes_per_pixel
        if height * width <= pixels:
            return max(height, width)
        return max(isqrt(int(pixels)) - 2 * (overlap or 0), SMALLEST_TILE)

    def _probe(self, side: int) -> Tensor:
        side = max(-(-side // self.io.multiple_of) * self.io.multiple_of, self.io.min_size)
        image = torch.zeros(1, self.io.channels, side, side, device=self.device)
        return image.contiguous(memory_format=torch.channels_last)

    def _result(self, pixels: np.ndarray, tile: Tile) -> np.ndarray:
        top, left, bottom, right = tile.window
        window = pixels[top:bottom, left:right]
        values = window if window.dtype.kind == "f" else to_float(window)
        image = torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)
        result = self._forward(image.permute(2, 0, 1)[None])  # channels last already
        result = finite(result[(..., *tile.inside(self.io.scale))], self.net)
        array = result[0].permute(1, 2, 0).cpu().numpy()
        if pixels.dtype == np.uint8:
            return to_uint8(array, self.settings.rounding)
        return to_uint16(array) if pixels.dtype == np.uint16 else array

    @torch.inference_mode()
    def _forward(self, image: Tensor) -> Tensor:
        image = pad_to(image, multiple_of=self.io.multiple_of, min_size=self.io.min_size)
        with self._autocast():
            raw = self.net(image)
        return named_outputs(self.net, raw)["pred"].float()

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = self.settings.dtype
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)


def _split_alpha(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 1 or 3) colours and (H, W) alpha."""
    is_known = image.dtype in (np.uint8, np.uint16, np.float32, np.float64)
    if not is_known or image.ndim not in (2, 3) or not image.size:
        raise ValueError(
            "image: must be (H, W) or (H, W, 1 to 4), uint8, uint16 or floats in [0, 1], "
            f"got {image.shape} {image.dtype}."
        )
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[2] in (1, 3):
        return image, None
    if image.shape[2] in (2, 4):
        return image[..., :-1], image[..., -1]
    raise ValueError(f"image: must have 1 to 4 channels, got {image.shape[2]}.")


def _joined(
    result: np.ndarray, alpha: np.ndarray | None, *, like: np.ndarray, scale: int
) -> np.ndarray:
    """The result with alpha at its size, in the shape and type of the image."""
    if alpha is not None:
        if scale != 1:
            size = (result.shape[1], result.shape[0])
            alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC)
        result = np.concatenate([result, alpha[..., None]], axis=2)
    result = result[..., 0] if like.ndim == 2 and result.shape[2] == 1 else result
    return np.ascontiguousarray(result, dtype=like.dtype)


def _mean_of_channels(image: np.ndarray) -> np.ndarray:
    mean: np.ndarray = image.mean(axis=2, keepdims=True, dtype=np.float64)
    levels = mean if image.dtype.kind == "f" else np.rint(mean)
    return levels.astype(image.dtype)


def _observed_io(net: nn.Module) -> ImageIO:
    """Facts about a network that does not state its own; not known to be local.

    Raises:
        DataError: it takes images of none of the usual kinds.
    """
    first = next((m for m in net.modules() if isinstance(m, nn.Conv2d)), None)
    channels = dict.fromkeys((first.in_channels if first is not None else 3, 3, 1))
    window = int(getattr(net, "window_size", 1))
    was_training = net.training
    net.eval()
    try:
        for multiple in (window * 2**power for power in range(6)):
            for count in channels:
                scale = _scale_of(net, count, multiple * (32 // multiple + 1))
                if scale is not None:
                    return ImageIO(channels=count, multiple_of=multiple, scale=scale)
    finally:
        net.train(was_training)
    raise DataError(f"{type(net).__name__}: takes no images of 3 channels or 1 by themselves.")


@torch.inference_mode()
def _scale_of(net: nn.Module, channels: int, side: int) -> int | None:
    """By how much a result is larger than a square image; None where the network refuses it."""
    probe = torch.zeros(1, channels, side, side, device=next(net.parameters()).device)
    try:
        result = named_outputs(net, net(probe))["pred"]
    except (RuntimeError, AssertionError, ValueError) as error:  # which is up to the network
        refuse_device_failure(error, type(net).__name__)
        return None
    scale, rest = divmod(result.shape[-1], side)
    return scale if scale and not rest else None
