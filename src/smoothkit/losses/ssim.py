"""Structural dissimilarity."""

from __future__ import annotations

from torch import Tensor

from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss
from smoothkit.ops.ssim import ssim_map


@LOSS_REGISTRY.register
class SSIMLoss(Loss):
    """1 minus the mean structural similarity, of images (N, C, H, W) in [0, 1]."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        return self.loss_weight * (1 - ssim_map(pred, gt).mean())
