"""From a network to result images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.image_io import ImageIO
from smoothkit.core.signature import with_whole_numbers
from smoothkit.models.finite import finite
from smoothkit.models.tiling import Tiling
from smoothkit.ops.pad import pad_to
from smoothkit.ops.tile import Tile

Rounding = Literal["none", "round", "truncate"]


class Predictor:
    """Runs a network on images, whole or in tiles.

    Args:
        rounding: to which 8-bit value a result goes before it is measured; ``none`` leaves it as
            the network gave it, outside [0, 1] too.
        tile_size: largest side of a tile, in pixels of the input; ~: images go through whole.
        tile_pad: by how much tiles are extended, where the image goes on; results are the whole
            image's where that is no less than the network's radius.
        pre_pad: pixels by which images are mirrored at the bottom and right before they are cut
            into tiles; results are cut again.

    Raises:
        OptionError: a size is out of range.
    """

    given = ()

    def __init__(
        self,
        rounding: Rounding = "round",
        tile_size: int | None = None,
        tile_pad: int = 32,
        pre_pad: int = 0,
    ) -> None:
        for name, value, least in (
            ("tile_size", tile_size, 1), ("tile_pad", tile_pad, 0), ("pre_pad", pre_pad, 0)
        ):  # fmt: skip
            if value is not None and value < least:
                message = f"must be {least} or more, got {value}."
                raise OptionError([Fault(f"predictor.{name}", message)])
        self.rounding = rounding
        self.tile_size, self.tile_pad, self.pre_pad = tile_size, tile_pad, pre_pad
        self._tiling: Tiling[Tensor] | None = None

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[Fault]:
        """What of the section ``predictor`` is out of range."""
        try:
            cls(**with_whole_numbers(cls, options["predictor"]))
        except OptionError as error:
            return list(error.faults)
        return []

    @torch.no_grad()
    def __call__(self, net: nn.Module, image: Tensor) -> Tensor:
        """The result image of ``net`` for ``image``.

        Args:
            net: in evaluation mode; its ``io`` says which sizes it takes, else any.
            image: (N, C, H, W) float32 in [0, 1].

        Returns:
            (N, C, scale * H, scale * W) float32.

        Raises:
            DataError: the image is too small for the network or the options, or its tiles do not
                fit into memory.
            NotFiniteError: the network gives NaN or infinity.
        """
        io: ImageIO | None = getattr(net, "io", None)
        if fault := io.size_fault(*image.shape[-2:]) if io is not None else None:
            raise DataError(f"{type(net).__name__}: {fault}")
        result = self._pre_padded(net, io, image) if self.pre_pad else self._run(net, io, image)
        return quantise(result, self.rounding)

    def _pre_padded(self, net: nn.Module, io: ImageIO | None, image: Tensor) -> Tensor:
        (height, width), pad = image.shape[-2:], self.pre_pad
        if pad >= min(height, width):
            message = f"must be less than the sides of an image, got {pad} for {height}x{width}."
            raise DataError(f"predictor.pre_pad: {message}")
        result = self._run(net, io, F.pad(image, (0, pad, 0, pad), mode="reflect"))
        scale = result.shape[-1] // (width + pad)
        return result[..., : height * scale, : width * scale]

    def _run(self, net: nn.Module, io: ImageIO | None, image: Tensor) -> Tensor:
        if self.tile_size is None:
            return _padded_result(net, io, image)
        if self._tiling is None or self._tiling.io != (io or ImageIO()):
            self._tiling = Tiling(io or ImageIO(), self.tile_pad, image.device)
        height, width = image.shape[-2:]
        out: Tensor | None = None

        def compute(tile: Tile) -> Tensor:
            top, left, bottom, right = tile.window
            return _padded_result(net, io, image[..., top:bottom, left:right])

        for tile, result in self._tiling.run(height, width, self.tile_size, compute):
            scale = result.shape[-1] // (tile.window[3] - tile.window[1])
            if out is None:
                out = result.new_empty((*result.shape[:2], height * scale, width * scale))
            out[(..., *tile.outside(scale))] = result[(..., *tile.inside(scale))]
        assert out is not None
        return out


def _padded_result(net: nn.Module, io: ImageIO | None, image: Tensor) -> Tensor:
    """What ``net`` makes of an image, padded to the sides that it takes and cut again."""
    # As inference lays images out: convolutions then add in the same order, to the same bytes.
    image = image.contiguous(memory_format=torch.channels_last)
    if io is None:
        return finite(named_outputs(net, net(image))["pred"].float(), net)
    height, width = image.shape[-2:]
    padded = pad_to(image, multiple_of=io.multiple_of, min_size=io.min_size)
    result = named_outputs(net, net(padded))["pred"].float()
    return finite(result[..., : height * io.scale, : width * io.scale], net)


def named_outputs(net: nn.Module, raw: Any) -> Mapping[str, Tensor]:
    """What a network returned, by name; a single tensor is ``pred``."""
    named = getattr(net, "named", None)
    if named is not None:
        return named(raw)  # type: ignore[no-any-return]
    return raw if isinstance(raw, Mapping) else {"pred": raw}


def quantise(image: Tensor, rounding: Rounding) -> Tensor:
    """``image`` on the 256 levels of an 8-bit file, in [0, 1]; unchanged under ``none``."""
    if rounding == "none":
        return image
    # In float64: float32 may put a whole level just below itself, which truncation would show. On
    # the CPU, since MPS has no float64; files and measures are made there anyway.
    levels = image.clamp(0, 1).cpu().double() * 255
    return ((levels.round() if rounding == "round" else levels.floor()) / 255).float()
