"""From a network to result images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothkit.ops.pad import pad_to

Rounding = Literal["none", "round", "truncate"]


class Predictor:
    """Runs a network on whole images.

    Args:
        rounding: to which 8-bit value a result goes before it is measured; ``none`` leaves it as
            the network gave it, outside [0, 1] too.
    """

    def __init__(self, rounding: Rounding = "round") -> None:
        self.rounding = rounding

    @torch.no_grad()
    def __call__(self, net: nn.Module, image: Tensor) -> Tensor:
        """The result image of ``net`` for ``image``.

        Args:
            net: in evaluation mode; its ``io`` says which sizes it takes, else any.
            image: (N, C, H, W) float32 in [0, 1].

        Returns:
            (N, C, scale * H, scale * W) float32.
        """
        io = getattr(net, "io", None)
        height, width = image.shape[-2:]
        if io is not None:
            image = pad_to(image, multiple_of=io.multiple_of, min_size=io.min_size)
        scale = io.scale if io is not None else 1
        result = named_outputs(net, net(image))["pred"].float()
        if io is not None:
            result = result[..., : height * scale, : width * scale]
        return quantise(result, self.rounding)


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
