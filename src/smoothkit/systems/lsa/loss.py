"""Losses of alpha mattes. All but the last read the raw prediction, alpha and the trimap.

Predictions and alphas are (N, 1, H, W) in [0, 1], trimaps 0, 128 / 255 and 1; only pixels of 128
count, and sums go over the whole batch. Some of these losses let a prediction leave [0, 1] where
alpha is at the same end: "clamped" below means that there the error is 0.

Source: arXiv 2112.13809, published code.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss
from smoothkit.losses.classes import cross_entropy

_INPUTS = ("pred", "gt", "trimap")
_COMPOSED = (*_INPUTS, "fg", "bg", "image")


def unknown(trimap: Tensor) -> Tensor:
    """1 where the trimap says neither foreground nor background, else 0; float."""
    return ((trimap * 255 - 128).abs() < 0.5).to(trimap)


class _MattingLoss(Loss):
    inputs: ClassVar[tuple[str, ...]] = _INPUTS
    additive = True

    def counts(self, trimap: Tensor) -> Tensor:
        """The number of unknown pixels, by which sums are divided."""
        return unknown(trimap).sum()


@LOSS_REGISTRY.register
class MattingMultiscaleLoss(Loss):
    """Clamped absolute error on several scales; known pixels leak into the coarse ones.

    The sum over i of L_i / 2^i, with L_i the sum of w_i sqrt(d_i^2 + 1e-6) over 1 + the sum of w_i.
    d_0 is the error of all pixels and w_0 marks the unknown ones; each next scale averages both
    over 2 x 2.

    Args:
        loss_weight: factor of the loss.
        num_scales: number of scales.
    """

    inputs: ClassVar[tuple[str, ...]] = _INPUTS
    additive = True

    def __init__(self, loss_weight: float = 1.0, num_scales: int = 5) -> None:
        super().__init__(loss_weight)
        self.num_scales = num_scales

    def counts(self, trimap: Tensor) -> Tensor:
        """The sum of the weights on each scale."""
        return torch.stack([weight.sum() for weight in self._pyramid(unknown(trimap))])

    def forward(
        self, pred: Tensor, gt: Tensor, trimap: Tensor, counts: Tensor | None = None
    ) -> Tensor:
        if counts is None:
            counts = self.counts(trimap)
        errors = self._pyramid(pred - _clamped_target(pred, gt))
        weights = self._pyramid(unknown(trimap))
        sums = [(w * (d * d + 1e-6).sqrt()).sum() for d, w in zip(errors, weights, strict=True)]
        scales = torch.arange(len(sums), device=pred.device)
        return self.loss_weight * (torch.stack(sums) / (counts + 1) / 2**scales).sum()

    def _pyramid(self, image: Tensor) -> list[Tensor]:
        levels = [image]
        for _ in range(self.num_scales - 1):
            if min(levels[-1].shape[-2:]) < 2:
                break
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels


@LOSS_REGISTRY.register
class MattingClampedLoss(_MattingLoss):
    """Clamped absolute error; sqrt(d^2 + 1e-4) of all pixels, over the unknown ones.

    Each known pixel adds 0.01, which has no gradient but dominates the value.

    Args:
        loss_weight: factor of the loss.
        squares: factor of a further term, the sum of d^2 over twice the sum of roots; the published
            variant has 0.25.
    """

    def __init__(self, loss_weight: float = 1.0, squares: float = 0.0) -> None:
        super().__init__(loss_weight)
        self.squares = squares

    def forward(
        self, pred: Tensor, gt: Tensor, trimap: Tensor, counts: Tensor | None = None
    ) -> Tensor:
        if counts is None:
            counts = self.counts(trimap)
        elif self.squares:
            message = "'squares' divides by errors, which are not summed over processes. Remove it."
            raise OptionError([Fault("train.loss_reduction", message)])
        error = (pred - _clamped_target(pred, gt)) * unknown(trimap)
        roots = (error * error + 1e-4).sqrt().sum()
        loss = roots / (counts + 1)
        if self.squares:
            loss = loss + self.squares * (error * error).sum() / (2 * roots.detach() + 1e-4)
        return self.loss_weight * loss


@LOSS_REGISTRY.register
class MattingL1Loss(_MattingLoss):
    """Absolute error, not clamped: sqrt(d^2 + 1e-12) of the unknown pixels, over their number.

    Args:
        loss_weight: factor of the loss.
        counts_known: give each known pixel the root of 1e-12, as one of the two published forms
            does.
    """

    def __init__(self, loss_weight: float = 1.0, counts_known: bool = False) -> None:
        super().__init__(loss_weight)
        self.counts_known = counts_known

    def forward(
        self, pred: Tensor, gt: Tensor, trimap: Tensor, counts: Tensor | None = None
    ) -> Tensor:
        if counts is None:
            counts = self.counts(trimap)
        weight = unknown(trimap)
        if self.counts_known:
            error = (((pred - gt) * weight) ** 2 + 1e-12).sqrt()
        else:
            error = weight * ((pred - gt) ** 2 + 1e-12).sqrt()
        return self.loss_weight * error.sum() / (counts + 1)


@LOSS_REGISTRY.register
class MattingCompositionLoss(_MattingLoss):
    """Absolute error of the image composed with the prediction, in colours of [0, 1].

    Reads ``fg``, ``bg`` and ``image`` (N, 3, H, W), on one scale, as well.
    """

    inputs: ClassVar[tuple[str, ...]] = _COMPOSED

    def forward(
        self,
        pred: Tensor,
        gt: Tensor,
        trimap: Tensor,
        fg: Tensor,
        bg: Tensor,
        image: Tensor,
        counts: Tensor | None = None,
    ) -> Tensor:
        if counts is None:
            counts = self.counts(trimap)
        error = pred * fg + (1 - pred) * bg - image
        # The constant is that of colours in 0..255.
        roots = unknown(trimap) * (error * error + 1e-12 / 255**2).sqrt()
        return self.loss_weight * roots.sum() / (counts + 1) / image.shape[1]


@LOSS_REGISTRY.register
class MattingWeightedLoss(Loss):
    """Clamped squared error, weighted by how transparent a pixel is: sum (d v)^2 / (sum v^2 + 1).

    Args:
        loss_weight: factor of the loss.
        power: m below.
        inverse: weigh opaque and empty pixels more: v is (1/2 - g(1-g))^m of alpha g, instead of
            m g(1-g) + 1.
    """

    inputs: ClassVar[tuple[str, ...]] = _INPUTS
    additive = True

    def __init__(self, loss_weight: float = 1.0, power: float = 1.0, inverse: bool = False) -> None:
        super().__init__(loss_weight)
        self.power, self.inverse = power, inverse

    def counts(self, gt: Tensor, trimap: Tensor) -> Tensor:
        """The sum of the squared weights."""
        return (self._weights(gt, trimap) ** 2).sum()

    def forward(
        self, pred: Tensor, gt: Tensor, trimap: Tensor, counts: Tensor | None = None
    ) -> Tensor:
        if counts is None:
            counts = self.counts(gt, trimap)
        error = (pred - _clamped_target(pred, gt, 0.01)) * self._weights(gt, trimap)
        return self.loss_weight * (error * error).sum() / (counts + 1)

    def _weights(self, gt: Tensor, trimap: Tensor) -> Tensor:
        transparency = gt * (1 - gt)
        weights = (0.5 - transparency) ** self.power
        if not self.inverse:
            weights = self.power * transparency + 1
        return weights * unknown(trimap)


@LOSS_REGISTRY.register
class MattingClassLoss(_MattingLoss):
    """Cross entropy of (N, 3, H, W) logits of the classes background, mixed and foreground.

    The mean over unknown pixels; 0 where there are none, where the published one is not a number.
    """

    def forward(
        self, pred: Tensor, gt: Tensor, trimap: Tensor, counts: Tensor | None = None
    ) -> Tensor:
        if pred.shape[1] != 3:
            message = f"needs logits of 3 classes, got {pred.shape[1]} channel(s) from the network."
            raise OptionError([Fault("MattingClassLoss", message)])
        if counts is None:
            counts = self.counts(trimap)
        classes = torch.where(gt <= 0, 0, torch.where(gt >= 1, 2, 1))[:, 0]
        errors = cross_entropy(pred, classes, reduction="none") * unknown(trimap)[:, 0]
        return self.loss_weight * errors.sum() / counts.clamp(min=1)


def _clamped_target(pred: Tensor, gt: Tensor, margin: float = 0.001) -> Tensor:
    """Alpha, but the prediction itself where it overshoots the end at which alpha is."""
    pred = pred.detach()
    overshoots = ((gt > 1 - margin) & (pred > 1)) | ((gt < margin) & (pred < 0))
    return torch.where(overshoots, pred, gt.to(pred))
