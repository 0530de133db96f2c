"""Cross entropy of images, also where every operation must be deterministic."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    ignore_index: int = -100,
    reduction: Literal["none", "sum"] = "sum",
) -> Tensor:
    """As torch's, which has no deterministic form for images on CUDA.

    Under ``torch.use_deterministic_algorithms`` it is written out; torch refuses its own there.

    Args:
        logits: (N, classes, H, W).
        labels: (N, H, W) int64; classes from 0, or ``ignore_index``.
        ignore_index: label of pixels whose loss is 0.
        reduction: ``none`` gives (N, H, W), ``sum`` a scalar.
    """
    if not torch.are_deterministic_algorithms_enabled():  # torch's own is up to a fifth faster
        return F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction=reduction)
    counts = labels != ignore_index
    picked = F.log_softmax(logits, 1).gather(1, labels.where(counts, 0)[:, None])[:, 0]
    errors = (-picked).where(counts, 0)
    return errors.sum() if reduction == "sum" else errors
