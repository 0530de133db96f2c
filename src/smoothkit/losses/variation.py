"""Variation between neighbouring pixels."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss
from smoothkit.ops.precision import at_least_float32


def squared_variation(image: Tensor, mask: Tensor | None = None, *, wrap: bool = False) -> Tensor:
    """Mean squared forward difference, vertical plus horizontal.

    Args:
        image: (N, C, H, W) with H, W >= 2.
        mask: (N, 1, H, W) weight of the differences that start at a pixel; 1 by default.
        wrap: also take the difference from the last row and column to the first. The divisor
            stays the number of differences without them.
    """
    image = at_least_float32(image)
    total = image.new_zeros(())
    for dim in (-2, -1):
        size = image.shape[dim]
        first = image.narrow(dim, 0, 1) if wrap else None
        energy = image.diff(dim=dim, append=first).square()
        if mask is not None:
            energy = energy * mask.narrow(dim, 0, energy.shape[dim])
        total = total + energy.sum() / (image.numel() // size * (size - 1))
    return total


@LOSS_REGISTRY.register
class SquaredTVLoss(Loss):
    """Twice the mean squared difference between neighbours, of images (N, C, H, W)."""

    inputs: ClassVar[tuple[str, ...]] = ("pred",)

    def forward(self, pred: Tensor) -> Tensor:
        return self.loss_weight * 2 * squared_variation(pred)


@LOSS_REGISTRY.register
class DistinctiveTVLoss(Loss):
    """Mean squared difference between neighbours, off the edges only.

    Args:
        loss_weight: factor of the loss; Easy2Hard computes the term with 10.
        wrap: as published, the last row and column are compared with the first. False leaves
            this out.

    Source: Easy2Hard, IEEE TNNLS 2021.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pred", "edge")

    def __init__(self, loss_weight: float = 1.0, wrap: bool = True) -> None:
        super().__init__(loss_weight)
        self.wrap = wrap

    def forward(self, pred: Tensor, edge: Tensor) -> Tensor:
        """The loss of ``pred`` (N, C, H, W) given ``edge`` (N, 1, H, W), 1 on edges, else 0."""
        flat = 1 - at_least_float32(edge)
        return self.loss_weight * squared_variation(pred, flat, wrap=self.wrap)
