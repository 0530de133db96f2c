"""The semantic loss of CSGIS-Net: a smoothed image should show the same objects.

Source: arXiv:2209.00977. The published code applies the segmentation network to the observation
instead of the result, so that its frozen network teaches nothing: ``pred: lq`` does so here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.errors import Fault, OptionError, TrainingError
from smoothkit.core.pretrained import find_pretrained
from smoothkit.core.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, Registry
from smoothkit.core.signature import defaults
from smoothkit.losses.base import Loss, faults_of
from smoothkit.losses.classes import cross_entropy
from smoothkit.losses.judging import Amp, Judging
from smoothkit.models.folding import fold_batch_norm
from smoothkit.models.step import unset_option
from smoothkit.ops.imagenet import MEAN, STD
from smoothkit.ops.precision import at_least_float32
from smoothkit.ops.tensor import Color, fast_layout
from smoothkit.systems.csgis.teacher import load_teacher

log = logging.getLogger(__name__)

# Of the public DeepLabV3+ checkpoints.
_SOURCE = "https://github.com/VainF/DeepLabV3Plus-Pytorch"
RANDOM = "random"


class LabelError(TrainingError, ValueError):
    """A mask holds a number that is no class of the network."""


@LOSS_REGISTRY.register
class SegmentationLoss(Loss):
    """Cross entropy between the classes that a network sees in an image and those of a mask.

    By default the network is frozen and sees the smoothed image, which learns from its gradient.
    ``pred: lq`` in the section shows it the observation, as the published code does: with a frozen
    network the term is then logged, and teaches nothing.

    Args:
        loss_weight: factor of the loss.
        network: section of the segmentation network; ~: ``pred`` holds logits already.
        weights: its checkpoint; ~ looks where BasicSR and torch keep weights, by the published
            name, if it is frozen, and starts from random weights if it trains. ``random``: random
            weights for a frozen one, too, the same every time; for trials without the file.
        fixed: leave the network as it is. If false it trains along, by the optimiser
            ``train.optim_seg``, and is saved as ``net_seg``.
        normalize: shift and scale images by ImageNet's mean and deviation, as the published
            weights of the network want it. The published training does not.
        teacher_mode: ``train`` takes batch statistics and dropout, even of a frozen network, as
            the published training does; ~ does so only if the network trains.
        color: channel order of the images; the network gets RGB.
        ignore_index: number of pixels in masks that do not count.
        amp: precision of the network; bf16 is faster.

    Raises:
        OptionError: a frozen network without weights, or weights without a network.
        DataError: weights of another network.

    Source: arXiv:2209.00977. Differs from the published code, unless told otherwise: see above.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pred", "segmentation")
    companions: ClassVar[dict[str, str]] = {"seg": "network"}
    additive = True
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        loss_weight: float = 1.0,
        network: dict[str, Any] | None = None,
        weights: str | None = None,
        fixed: bool = True,
        normalize: bool = True,
        teacher_mode: Literal["eval", "train"] | None = None,
        color: Color = "rgb",
        ignore_index: int = 255,
        amp: Amp = "off",
    ) -> None:
        super().__init__(loss_weight)
        self._judging = Judging(amp)
        self.normalize, self.color, self.ignore_index = normalize, color, ignore_index
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self._is_training = teacher_mode == "train" or (teacher_mode is None and not fixed)
        self._has_told = False
        self.networks = nn.ModuleDict()  # those that train
        self.teacher: nn.Module | None = None
        if network is None:
            if weights is not None:
                message = "there is no 'network' to load them into. Add it, or remove this."
                raise OptionError([Fault("weights", message)])
        elif fixed:
            teacher = _frozen(network, weights)
            self.teacher = teacher if self._is_training else fold_batch_norm(teacher)
            self.teacher.requires_grad_(False)
        else:
            self.teacher = self.networks["seg"] = _trained(network, weights)
        self.train()

    @classmethod
    def companions_for(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        return {} if options.get("fixed", True) else cls.companions

    @classmethod
    def faults_in(cls, options: Mapping[str, Any], where: str) -> list[Fault]:
        """What does not suit the training set: its channel order, or classes of its masks."""
        section = options["train"][where.removeprefix("train.")]
        own = section.get("network")
        color = options["datasets"]["train"].get("color", "rgb")
        if own and color == "bgr" and "color" not in section:
            message = "datasets.train.color is bgr, and the network gets RGB. Set it to 'bgr', too."
            return [Fault(f"{where}.color", message)]
        path = f"{where}.network" if own else "network_g"
        known = _num_classes(ARCH_REGISTRY, own or options.get("network_g") or {})
        given = _num_classes(DATASET_REGISTRY, options["datasets"]["train"])
        has_masks = unset_option(options, "segmentation") is None
        if not has_masks or known is None or given is None or known >= given:
            return []
        message = (
            f"must be {given} or more, since datasets.train.num_classes is {given}, got {known}. "
            f"Use a network of {given} classes, or masks of {known}."
        )
        return [Fault(f"{path}.num_classes", message)]

    def train(self, mode: bool = True) -> SegmentationLoss:
        """Change the mode; that of the segmentation network is an option, and stays."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.train(self._is_training)
        return self

    def counts(self, segmentation: Tensor) -> Tensor:
        """Number of pixels that count, int64."""
        return (_labels(segmentation) != self.ignore_index).sum()

    def forward(
        self, pred: Tensor, segmentation: Tensor, *, counts: Tensor | None = None
    ) -> Tensor:
        """The loss of a batch; 0 if no pixel counts.

        Args:
            pred: images (N, 3, H, W) in [0, 1]; without a network logits (N, classes, H, W).
            segmentation: (N, H, W) or (N, 1, H, W), whole numbers: classes from 0.
            counts: pixels that count in the whole that this batch is part of; by default in the
                batch.

        Raises:
            LabelError: a mask with a class that the network does not know.
            ValueError: tensors of other shapes or kinds.
        """
        labels = _labels(segmentation)
        logits = at_least_float32(pred if self.teacher is None else self._logits(pred))
        self._refuse_other_labels(labels, logits)
        with torch.autocast(pred.device.type, enabled=False):
            total = cross_entropy(logits, labels, ignore_index=self.ignore_index)
        number = self.counts(segmentation) if counts is None else counts
        return self.loss_weight * total / number.clamp_min(1)

    def _logits(self, images: Tensor) -> Tensor:
        assert self.teacher is not None
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"pred: must be images (N, 3, H, W) for {type(self.teacher).__name__}, got "
                f"{tuple(images.shape)}."
            )
        self._tell_of_a_constant(images)
        x = images.to(self.mean.dtype)
        x = x.flip(1) if self.color == "bgr" else x
        x = (x - self.mean) / self.std if self.normalize else x
        with self._judging.on(x.device):
            logits: Tensor = self.teacher(fast_layout(x))
        return logits

    def _tell_of_a_constant(self, images: Tensor) -> None:
        if self._has_told or self.networks or images.requires_grad or not torch.is_grad_enabled():
            return
        self._has_told = True
        log.info(
            "SegmentationLoss: reads data, and its network is frozen: the term is logged, but "
            "teaches nothing. Without 'pred' in its section it reads the smoothed image."
        )

    def _refuse_other_labels(self, labels: Tensor, logits: Tensor) -> None:
        count, *size = logits.shape[1], logits.shape[0], *logits.shape[2:]
        if list(labels.shape) != size:
            raise ValueError(
                f"segmentation: must be {tuple(size)} as the images, got {tuple(labels.shape)}."
            )
        is_wrong = (labels != self.ignore_index) & ((labels < 0) | (labels >= count))
        if is_wrong.any():
            found = sorted(map(int, labels[is_wrong].unique()))
            shown = ", ".join([*map(str, found[:5]), *(["..."] if len(found) > 5 else [])])
            raise LabelError(
                f"segmentation: the network knows the classes 0 to {count - 1} "
                f"({self.ignore_index} does not count), got {shown}. "
                "Give masks of these classes, or set network.num_classes."
            )


def _labels(segmentation: Tensor) -> Tensor:
    """(N, H, W) int64."""
    has_channel = segmentation.ndim == 4 and segmentation.shape[1] == 1
    labels = segmentation.squeeze(1) if has_channel else segmentation
    if labels.ndim != 3 or labels.is_floating_point():
        raise ValueError(
            "segmentation: must be whole numbers, (N, H, W) or (N, 1, H, W), got "
            f"{segmentation.dtype} {tuple(segmentation.shape)}."
        )
    return labels.long()


def _frozen(network: Mapping[str, Any], weights: str | None) -> nn.Module:
    if weights == RANDOM:
        log.warning(
            "SegmentationLoss: the frozen network has random weights (weights: %s). It teaches "
            "nothing of objects.",
            RANDOM,
        )
        # The same weights every time, and the run's random state is left alone.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return _built(network)
    net = _built(network)
    published = getattr(net, "published_file", None)
    if weights is None and published is None:
        message = f"is missing: {network['type']} is frozen. Give its checkpoint here."
        raise OptionError([Fault("weights", message)])
    with faults_of("weights"):
        key = "weights" if weights is None else None
        path = find_pretrained(str(published), given=weights, key=key, source=_SOURCE)
        load_teacher(net, path)
    return net


def _trained(network: Mapping[str, Any], weights: str | None) -> nn.Module:
    net = _built(network)
    if weights not in (None, RANDOM):
        with faults_of("weights"):
            load_teacher(net, weights, trains=True)
    return net


def _built(network: Mapping[str, Any]) -> nn.Module:
    net: nn.Module = build_network(network, where="network")
    return net


def _num_classes(registry: Registry, section: Mapping[str, Any]) -> int | None:
    """The option ``num_classes`` of a section or its default; None where there is no such."""
    if "type" not in section:
        return None
    count = {**defaults(registry.get(section["type"])), **section}.get("num_classes")
    return count if isinstance(count, int) else None
