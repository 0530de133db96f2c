"""Edge detection."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss
from smoothkit.ops.precision import at_least_float32


@LOSS_REGISTRY.register
class BalancedEdgeLoss(Loss):
    """Binary cross entropy whose two classes weigh as much as the other one is frequent.

    With n1 edge pixels among the n of the batch, an edge pixel weighs (n - n1) / n and any other
    n1 / n. So the loss is 0 where there are no edges; where there is nothing else, edge pixels
    weigh 1.

    Args:
        loss_weight: factor of the loss.
        normalize: mean over pixels instead of the published sum, which grows with batch and patch;
            a published weight fits after multiplication by its n, 2 * 128 * 128.

    Source: Easy2Hard, IEEE TNNLS 2021.
    """

    inputs: ClassVar[tuple[str, ...]] = ("edge_logits", "edge")

    def __init__(self, loss_weight: float = 1.0, normalize: bool = False) -> None:
        super().__init__(loss_weight)
        self.normalize = normalize
        self.additive = not normalize

    def counts(self, edge: Tensor) -> Tensor:
        """(n1, n) as int64."""
        positives = (edge > 0.5).sum()
        return torch.stack([positives, torch.full_like(positives, edge.numel())])

    def forward(self, edge_logits: Tensor, edge: Tensor, *, counts: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            edge_logits: (N, 1, H, W), before the sigmoid.
            edge: (N, 1, H, W) of any type, 1 on edges and 0 elsewhere.
            counts: (n1, n) of the whole that this batch is part of; the batch's own by default.
        """
        logits = at_least_float32(edge_logits)
        label = edge.to(logits.dtype)
        positives, total = (self.counts(edge) if counts is None else counts).unbind()
        share = (positives / total).to(logits.dtype)
        on_edges = torch.where(positives == total, 1, 1 - share)
        loss = F.binary_cross_entropy_with_logits(
            logits,
            label,
            weight=torch.where(label > 0.5, on_edges, share),
            reduction="mean" if self.normalize else "sum",
        )
        return self.loss_weight * loss
