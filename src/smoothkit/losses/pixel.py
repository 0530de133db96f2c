"""Distances between pixels."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss


@LOSS_REGISTRY.register
class L1Loss(Loss):
    """Absolute difference; takes the options of BasicSR's loss of this name.

    Args:
        loss_weight: factor of the loss.
        reduction: over all elements; with ``none`` the loss has the shape of the images.
    """

    def __init__(
        self, loss_weight: float = 1.0, reduction: Literal["none", "mean", "sum"] = "mean"
    ) -> None:
        super().__init__(loss_weight)
        self.reduction = reduction
        self.additive = reduction == "sum"

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        return self.loss_weight * F.l1_loss(pred, gt, reduction=self.reduction)
