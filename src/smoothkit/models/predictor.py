"""From a network to result images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothkit.models.finite import finite
from smoothkit.ops.pad import pad_to
from smoothkit.ops.tile import tiles

Rounding = Literal["none", "round", "truncate"]


class Predictor:
    """Runs a network on images, whole or in tiles.

    Args:
        rounding: to which 8-bit value a result goes before it is measured; ``none`` leaves it as
            the network gave it, outside [0, 1] too.
        tile_size: largest side of a tile, in pixels of the input; ~: images go through whole.
        tile_pad: by how much tiles are extended, where the image goes on; results are the whole
            image's where that is no less than the network's radius.
    """

    given = ()

    def __init__(
        self, rounding: Rounding = "round", tile_size: int | None = None, tile_pad: int = 32
    ) -> None:
        self.rounding = rounding
        self.tile_size, self.tile_pad = tile_size, tile_pad

    @torch.no_grad()
    def __call__(self, net: nn.Module, image: Tensor) -> Tensor:
        """The result image of ``net`` for ``image``.

        Args:
            net: in evaluation mode; its ``io`` says which sizes it takes, else any.
            image: (N, C, H, W) float32 in [0, 1].

        Returns:
            (N, C, scale * H, scale * W) float32.

        Raises:
            NotFiniteError: the network gives NaN or infinity.
        """
        if self.tile_size is None:
            return quantise(_padded_result(net, image), self.rounding)
        height, width = image.shape[-2:]
        out: Tensor | None = None
        for tile in tiles(height, width, self.tile_size, self.tile_pad, is_even=False):
            top, left, bottom, right = tile.window
            result = _padded_result(net, image[..., top:bottom, left:right])
            scale = result.shape[-1] // (right - left)
            if out is None:
                out = result.new_empty((*result.shape[:2], height * scale, width * scale))
            out[(..., *tile.outside(scale))] = result[(..., *tile.inside(scale))]
        assert out is not None
        return quantise(out, self.rounding)


def _padded_result(net: nn.Module, image: Tensor) -> Tensor:
    """What ``net`` makes of an image, padded to the sides that it takes and cut again."""
    io = getattr(net, "io", None)
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
