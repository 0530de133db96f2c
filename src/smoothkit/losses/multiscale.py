"""Losses added up over a pyramid of ever smaller images."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss
from smoothkit.ops.ssim import ssim_map


class _PyramidLoss(Loss):
    """A loss over ``levels`` sizes: the images, then 2 x 2 maxima of the level before.

    Levels add up with equal weight. An odd last row or column is dropped on the way down.

    Args:
        loss_weight: factor of the loss.
        levels: number of sizes; each side of the images needs 2 ** (levels - 1) pixels.

    Raises (``forward``):
        ValueError: the images are too small.

    Source: Easy2Hard, IEEE TNNLS 2021, which uses 4 levels.
    """

    def __init__(self, loss_weight: float = 1.0, levels: int = 4) -> None:
        super().__init__(loss_weight)
        if levels < 1:
            raise ValueError(f"levels: must be at least 1, got {levels}.")
        self.levels = levels

    def pyramid(self, pred: Tensor, gt: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The pair at each level, largest first."""
        height, width = pred.shape[-2:]
        needed = 2 ** (self.levels - 1)
        if min(height, width) < needed:
            raise ValueError(
                f"{type(self).__name__}: {self.levels} levels need images of at least "
                f"{needed} x {needed} pixels, got {height} x {width}. "
                "Use larger patches or set 'levels' lower."
            )
        yield pred, gt
        for _ in range(1, self.levels):
            pred, gt = F.max_pool2d(pred, 2), F.max_pool2d(gt, 2)
            yield pred, gt


@LOSS_REGISTRY.register
class MultiScaleSSIMLoss(_PyramidLoss):
    """``levels`` minus the sum of the mean structural similarities at each level.

    A sum, not the weighted product that "multi-scale SSIM" means elsewhere. Arguments and errors
    as for all losses of this file.
    """

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        similarities = [ssim_map(p, g).mean() for p, g in self.pyramid(pred, gt)]
        return self.loss_weight * (self.levels - torch.stack(similarities).sum())


@LOSS_REGISTRY.register
class MultiScaleL1Loss(_PyramidLoss):
    """Sum of the mean absolute differences at each level; published, but never trained with."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        distances = [F.l1_loss(p, g) for p, g in self.pyramid(pred, gt)]
        return self.loss_weight * torch.stack(distances).sum()
