"""Losses of the super-resolution experiments, beside those of BasicSR."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.base import Loss

log = logging.getLogger(__name__)

# Below any variance that images of 8 bits have; the power of a fifth has no slope at zero.
_LEAST_VARIANCE = 1e-20


class NegativeMaps(NamedTuple):
    """Where a positive and a negative ground truth differ from the original, (N, 1, H, W) each."""

    positive: Tensor
    negative: Tensor
    refined: Tensor


def negative_maps(
    original: Tensor,
    positive: Tensor,
    negative: Tensor,
    positive_votes: Tensor | float,
    negative_votes: Tensor | float,
    *,
    ksize: int = 3,
    positive_power: float = 0.75,
    negative_power: float = 0.75,
    num_annotators: int = 3,
) -> NegativeMaps:
    """Local variances of what was changed, and where the negative's is the larger one.

    Args:
        original, positive, negative: (N, 3, H, W) in [0, 1].
        positive_votes, negative_votes: annotators who agreed; a number, or (N, 1, 1, 1).
        ksize: side of the window.
        positive_power, negative_power: exponents of the variances.
        num_annotators: votes that count as one.

    Source: HGGT (arXiv 2303.13069), as the published code computes it.
    """
    local_variance = basicsr_part("losses.loss_util", "get_local_weights")

    def weighted(image: Tensor, votes: Tensor | float, power: float) -> Tensor:
        residual = (original - image).abs().sum(1, keepdim=True)
        weights: Tensor = local_variance(residual, ksize) ** power
        return votes / num_annotators * weights

    plus = weighted(positive, positive_votes, positive_power)
    minus = weighted(negative, negative_votes, negative_power)
    return NegativeMaps(plus, minus, torch.where(plus < minus, minus, 0.0))


@LOSS_REGISTRY.register
class NegativeGTLoss(Loss):
    """Minus the distance from the negative ground truth, where that was changed the most.

    It has no lower bound: the network is rewarded for every step away from the negative. A sample
    without a negative has no votes for it, and adds nothing.

    Args:
        loss_weight: factor of the loss.
        ksize: side of the window of the maps.
        power: exponent of their variances.

    Raises:
        ValueError: an even window.

    Source: HGGT (arXiv 2303.13069), published code.
    """

    inputs: ClassVar[tuple[str, ...]] = (
        "pred",
        "negative",
        "positive",
        "original",
        "negative_votes",
        "positive_votes",
        "num_annotators",
    )

    def __init__(self, loss_weight: float = 300.0, ksize: int = 3, power: float = 0.75) -> None:
        super().__init__(loss_weight)
        self.ksize, self.power = _odd(ksize), power

    def forward(
        self,
        pred: Tensor,
        negative: Tensor,
        positive: Tensor,
        original: Tensor,
        negative_votes: Tensor,
        positive_votes: Tensor,
        num_annotators: Tensor,
    ) -> Tensor:
        """The loss.

        Args:
            pred, negative, positive, original: (N, 3, H, W) in [0, 1]; ``positive`` is drawn for
                this term by itself.
            negative_votes, positive_votes: (N,); 0 negative votes: no negative.
            num_annotators: (N,), of each set.
        """
        maps = negative_maps(
            original,
            positive,
            negative,
            *((v / num_annotators).view(-1, 1, 1, 1) for v in (positive_votes, negative_votes)),
            num_annotators=1,
            ksize=self.ksize,
            positive_power=self.power,
            negative_power=self.power,
        )
        return -self.loss_weight * (maps.refined * (pred - negative)).abs().mean()


def _odd(ksize: int) -> int:
    if ksize < 3 or ksize % 2 == 0:
        raise ValueError(f"ksize: must be odd and 3 or more, got {ksize}.")
    return ksize


def artifact_map(gt: Tensor, pred: Tensor, pred_ema: Tensor, ksize: int = 7) -> Tensor:
    """How likely each pixel of ``pred`` is an artifact, (N, 1, H, W).

    Args:
        gt, pred, pred_ema: (N, C, H, W); the last is what the averaged network gives.
        ksize: side of the window.

    Source: LDL (Liang et al., CVPR 2022). Differs: a patch equal to the ground truth has a gradient
    of zero; the published map's is not a number there.
    """
    local_variance = basicsr_part("losses.loss_util", "get_local_weights")
    residual = (gt - pred).abs().sum(1, keepdim=True)
    residual_ema = (gt - pred_ema).abs().sum(1, keepdim=True)
    variance = residual.var(dim=(-1, -2, -3), keepdim=True)
    of_patch = variance.clamp_min(_LEAST_VARIANCE) ** (1 / 5)
    of_pixel: Tensor = local_variance(residual, ksize)
    return torch.where(residual < residual_ema, 0.0, of_patch * of_pixel)


@LOSS_REGISTRY.register
class ArtifactLoss(Loss):
    """Absolute difference, weighted by the map of likely artifacts.

    Args:
        loss_weight: factor of the loss.
        ksize: side of the map's window.
        detach_map: take the map as a constant; the published code lets the gradient through it.

    Source: LDL (Liang et al., CVPR 2022).
    """

    inputs: ClassVar[tuple[str, ...]] = ("pred", "gt", "pred_ema")

    def __init__(self, loss_weight: float = 1.0, ksize: int = 7, detach_map: bool = False) -> None:
        super().__init__(loss_weight)
        self.ksize = _odd(ksize)
        self.detach_map = detach_map

    def forward(self, pred: Tensor, gt: Tensor, pred_ema: Tensor) -> Tensor:
        likely = artifact_map(gt, pred, pred_ema, self.ksize)
        if self.detach_map:
            likely = likely.detach()
        return self.loss_weight * (likely * pred - likely * gt).abs().mean()


def adapt_to_target(
    pred: Tensor, gt: Tensor, locate: nn.Module, *, k_size: int = 7, s_size: int = 9
) -> Tensor:
    """``pred`` with each of its patches moved to fit the ground truth; (N, 3, H, W).

    Pixels beyond the last whole patch are 0.

    Args:
        pred, gt: (N, 3, H, W).
        locate: from rows of patch values to the six numbers of an affine transform.
        k_size, s_size: sides of the patches of ``pred``, and of those of ``gt`` around them.

    Source: AdaTarget (Jo et al., CVPR 2021), as HGGT's published code computes it.
    """
    count, channels, height, width = pred.shape
    margin = (s_size - k_size) // 2
    around = F.unfold(F.pad(gt, (margin,) * 4, mode="reflect"), s_size, stride=k_size)
    inside = F.unfold(pred, k_size, stride=k_size)
    rows = torch.cat([inside, around], dim=1).transpose(1, 2).flatten(0, 1)
    theta = locate(rows).view(-1, 2, 3)
    patches = inside.transpose(1, 2).reshape(-1, channels, k_size, k_size)
    places = F.affine_grid(theta, list(patches.shape), align_corners=False)
    moved = F.grid_sample(patches, places, padding_mode="border", align_corners=False)
    columns = moved.reshape(count, -1, channels * k_size**2).transpose(1, 2)
    return F.fold(columns, (height, width), k_size, stride=k_size)


@LOSS_REGISTRY.register
class AdaTargetLoss(Loss):
    """Mean squared difference from the ground truth, after patches were moved to fit it.

    Args:
        loss_weight: factor of the loss.
        network: section of the network that moves them; it trains along, by the optimiser
            ``train.optim_loc``. ~: nothing is moved.
        k_size, s_size: sides of the patches, and of those of the ground truth around them.

    Raises:
        ValueError: the network takes patches of other sizes.

    Source: AdaTarget (Jo et al., CVPR 2021).
    """

    companions: ClassVar[dict[str, str]] = {"loc": "network"}

    def __init__(
        self,
        loss_weight: float = 1.0,
        network: dict[str, Any] | None = None,
        k_size: int = 7,
        s_size: int = 9,
    ) -> None:
        super().__init__(loss_weight)
        self.networks = nn.ModuleDict()
        if network is not None:
            self.networks["loc"] = build_network(network, where="network")
            taken = getattr(self.networks["loc"], "WIDTH", None)
            if taken not in (None, 3 * (k_size**2 + s_size**2)):
                raise ValueError(
                    f"k_size and s_size: {network['type']} takes patches of {taken} values, 7 and "
                    f"9 pixels wide, got {k_size} and {s_size}."
                )
        self.k_size, self.s_size = k_size, s_size
        self._has_warned = False

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        if "loc" in self.networks:
            self._warn_of_a_rest(*pred.shape[-2:])
            locate, sizes = self.networks["loc"], (self.k_size, self.s_size)
            pred = adapt_to_target(pred, gt, locate, k_size=sizes[0], s_size=sizes[1])
        return self.loss_weight * F.mse_loss(pred, gt)

    def _warn_of_a_rest(self, height: int, width: int) -> None:
        if self._has_warned or not (height % self.k_size or width % self.k_size):
            return
        self._has_warned = True
        log.warning(
            "AdaTargetLoss: patches of %d pixels do not fill %dx%d; what is left over counts as "
            "black. Set degradation.gt_size to a multiple.",
            self.k_size,
            height,
            width,
        )


@LOSS_REGISTRY.register
class TripletLoss(Loss):
    """Nearer to the positive than to the negative, by a margin.

    Args:
        loss_weight, reduction: not read, as in the published code.
        margin: by how much.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pred", "gt", "negative")

    def __init__(
        self, loss_weight: float = 1.0, reduction: str = "mean", margin: float = 0.1
    ) -> None:
        super().__init__(loss_weight)
        self.margin = margin

    def forward(self, pred: Tensor, gt: Tensor, negative: Tensor) -> Tensor:
        distance = F.l1_loss(pred, gt) - F.l1_loss(pred, negative)
        return (distance + self.margin).clamp_min(0)
