"""Contrastive losses: near the ground truth, far from negatives.

The negatives are images that smoothing should not end at: one that was smoothed too much, or the
textured input itself. Ground truth and negatives are data: no gradient passes to them.

Source: CSGIS-Net (arXiv:2209.00977), as the published code computes it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.archs.vgg import load_vgg16
from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss, faults_of
from smoothkit.losses.judging import Amp, Judging
from smoothkit.ops.precision import at_least_float32
from smoothkit.ops.tensor import fast_layout

STYLE_TAPS = (3, 8)
RATIO_TAPS = (3, 8, 15, 22)
RATIO_WEIGHTS = (1 / 16, 1 / 8, 1 / 4, 1.0)
RATIO_EPS = 1e-7


class _ContrastLoss(Loss):
    """A loss of a result, its ground truth, and one or several negatives of it."""

    inputs: ClassVar[tuple[str, ...]] = ("pred", "gt", "negative")


@LOSS_REGISTRY.register
class GreyTripletLoss(_ContrastLoss):
    """Nearer to the ground truth than to the negative in grey values, by a margin.

    max(d(pred, gt) - d(pred, negative) + margin, 0), where d is the mean absolute difference of the
    channel means. Where the hinge is inactive the gradient is 0. Such distances are mostly below
    0.1, so that with the published margin it is practically always active.

    Args:
        loss_weight: factor of the loss.
        margin: by how much, in grey values of [0, 1].

    Source: CSGIS-Net (arXiv:2209.00977), ``const_loss`` of the published code.
    """

    def __init__(self, loss_weight: float = 1.0, margin: float = 0.3) -> None:
        super().__init__(loss_weight)
        self.margin = margin

    def forward(self, pred: Tensor, gt: Tensor, negative: Tensor) -> Tensor:
        """The loss.

        Args:
            pred, gt: (N, 3, H, W).
            negative: (N, 3, H, W), or (N, K, 3, H, W), over whose K hinges the mean is taken.
        """
        distances = grey_distances(at_least_float32(pred), references(gt, negative))
        return self.loss_weight * hinge(distances, self.margin)


@LOSS_REGISTRY.register
class StyleTripletLoss(_ContrastLoss):
    """Nearer to the ground truth than to the negative in texture statistics, by a margin.

    max(d(pred, gt) - d(pred, negative) + margin, 0), where d compares the Gram matrices of features
    of VGG-16 after the first two stages: the sum of squared differences over layers, entries and
    samples. Such distances are some 1e-6 to 1e-4, so that with the published margin the hinge is
    practically always active. Where it is not, the gradient is 0.

    A sum over samples: under ``train.loss_reduction: global`` a part of a batch takes its share of
    the margin, and where the hinge is active in each part they add up to the whole exactly.

    Args:
        loss_weight: factor of the loss.
        margin: by how much.
        weights: torchvision's ImageNet weights of VGG-16; ~ looks where BasicSR and torch keep
            them. ``random``: random ones, for trials.
        normalize: shift and scale images as VGG-16 was trained, which the published code does not.
        amp: precision of VGG-16; bf16 is faster, and turns the gradient by some degrees.

    Raises:
        OptionError: no weights on this machine, or others.

    Source: CSGIS-Net (arXiv:2209.00977), ``const_loss2`` of the published code.
    """

    additive = True

    def __init__(
        self,
        loss_weight: float = 1.0,
        margin: float = 0.04,
        weights: str | None = None,
        normalize: bool = False,
        amp: Amp = "off",
    ) -> None:
        super().__init__(loss_weight)
        self.margin, self._judging = margin, Judging(amp)
        with faults_of("weights"):
            self.vgg = load_vgg16(STYLE_TAPS, weights, normalize=normalize)

    def counts(self, gt: Tensor) -> Tensor:
        """The number of samples, as int64."""
        return torch.full((), len(gt), device=gt.device)

    def forward(
        self, pred: Tensor, gt: Tensor, negative: Tensor, *, counts: Tensor | None = None
    ) -> Tensor:
        """The loss.

        Args:
            pred, gt: (N, 3, H, W) in [0, 1].
            negative: (N, 3, H, W), or (N, K, 3, H, W), over whose K hinges the mean is taken.
            counts: samples of the whole that this batch is part of; the batch's own by default.
        """
        margin = self.margin if counts is None else self.margin * len(pred) / counts
        return self.loss_weight * hinge(self.distances(pred, gt, negative), margin)

    def distances(self, pred: Tensor, gt: Tensor, negative: Tensor) -> Tensor:
        """(1 + K,) distances of ``pred``, from the ground truth and from each negative."""
        images = fast_layout(pred), references(gt, negative)
        own, others = _features(self.vgg, *images, self._judging)
        with torch.no_grad():
            wanted = [gram(theirs) for theirs in others]
        distances = [
            (gram(mine) - theirs).square().sum((1, 2, 3))
            for mine, theirs in zip(own, wanted, strict=True)
        ]
        return torch.stack(distances).sum(0)


@LOSS_REGISTRY.register
class ContrastRatioLoss(_ContrastLoss):
    """How near to the ground truth, as a part of how near to the negative, in features of VGG-16.

    The sum over four layers of w * |F(pred) - F(gt)| / (|F(pred) - F(negative)| + 1e-7), with the
    mean absolute difference and the weights 1/16, 1/8, 1/4 and 1.

    A ratio of two means: under ``train.loss_reduction: global``, too, several processes average
    their own ratios, which is not that of the whole batch.

    Args:
        loss_weight: factor of the loss.
        weights, normalize, amp: see ``StyleTripletLoss``.

    Raises:
        OptionError: no weights on this machine, or others.

    Source: CSGIS-Net (arXiv:2209.00977), ``ContrastLoss`` of the published code, which stops there
    with an error in the name of an attribute.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        weights: str | None = None,
        normalize: bool = False,
        amp: Amp = "off",
    ) -> None:
        super().__init__(loss_weight)
        self._judging = Judging(amp)
        with faults_of("weights"):
            self.vgg = load_vgg16(RATIO_TAPS, weights, normalize=normalize)

    def forward(self, pred: Tensor, gt: Tensor, negative: Tensor) -> Tensor:
        """The loss.

        Args:
            pred, gt: (N, 3, H, W) in [0, 1], with sides of 8 or more.
            negative: (N, 3, H, W), or (N, K, 3, H, W), over whose K ratios the mean is taken.
        """
        # Not in the fast layout, which saves a twentieth here: where two features nearly agree, its
        # rounding turns the sign of a difference, and with it the gradient, from the published one.
        found = _features(self.vgg, pred, references(gt, negative), self._judging)
        layers = zip(*found, strict=True)
        total = pred.new_zeros((), dtype=torch.float32)
        for weight, (own, others) in zip(RATIO_WEIGHTS, layers, strict=True):
            near, *far = (F.l1_loss(own, other) for other in others)
            total = total + weight * (near / (torch.stack(far) + RATIO_EPS)).mean()
        return self.loss_weight * total


def references(gt: Tensor, negative: Tensor) -> Tensor:
    """(1 + K, N, 3, H, W): what a result is compared with, the ground truth first.

    Raises:
        ValueError: the negatives are of another shape than the ground truth.
    """
    several = negative.unsqueeze(1) if negative.ndim == gt.ndim else negative
    if several.ndim != gt.ndim + 1 or several[:, 0].shape != gt.shape or not several.shape[1]:
        raise ValueError(
            f"negative: must have the shape of gt, {tuple(gt.shape)}, or one more dimension after "
            f"the first, got {tuple(negative.shape)}."
        )
    return at_least_float32(torch.cat([gt[None], several.transpose(0, 1)]).detach())


def grey_distances(pred: Tensor, others: Tensor) -> Tensor:
    """(K,) mean absolute differences of the channel means of (N, C, H, W) and (K, N, C, H, W)."""
    return (pred.mean(-3) - others.mean(-3)).abs().mean((1, 2, 3))


def gram(features: Tensor) -> Tensor:
    """(..., C, C) products of channels of (..., C, H, W), divided by C * H * W."""
    rows = features.flatten(-2)
    return rows @ rows.mT / (rows.shape[-2] * rows.shape[-1])


def hinge(distances: Tensor, margin: float | Tensor) -> Tensor:
    """Mean over the negatives of max(first distance - negative's + margin, 0).

    Args:
        distances: (1 + K,), that from the ground truth first.
        margin: how much nearer that has to be.
    """
    # Not clamp_min, which passes the gradient on at 0 itself.
    return F.relu(distances[0] - distances[1:] + margin).mean()


def _features(
    vgg: torch.nn.Module, pred: Tensor, others: Tensor, judging: Judging
) -> tuple[list[Tensor], list[Tensor]]:
    """By layer, features of ``pred`` and (1 + K, N, ...) of the others; these without gradient.

    All are computed in the memory layout of ``pred``, and given in float32 or wider.
    """
    is_last = pred.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    with judging.on(pred.device):
        with torch.no_grad():
            images = others.flatten(0, 1).contiguous(memory_format=layout)
            known = [found.unflatten(0, others.shape[:2]) for found in vgg(images)]
        own = vgg(pred)
    return [at_least_float32(x) for x in own], [at_least_float32(x) for x in known]
