"""Refinement of one alpha by gradient descent on scales and shifts of the decoder's features.

The weights stay as they are. What makes alpha better is that it should be 1 beside known foreground
and 0 beside known background, and else stay near what the network said.

Source: arXiv 2112.13809, published code.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from smoothkit.systems.lsa.arch import LsaNet
from smoothkit.systems.lsa.decoder import UNITS, Decoder

log = logging.getLogger(__name__)

# Sides of the square maps of scales and shifts.
_GRIDS = {5: 8, 4: 16, 3: 32, 2: 64}


@dataclass(frozen=True)
class Refinement:
    """How alpha is refined.

    Args:
        steps: forward passes; the result is that of the last one, so 1 refines nothing.
        lr: step size of the descent.
        stages: units of the decoder whose features are scaled and shifted, of 2 to 5.
        keep_weight: of the square of the mean distance from what the network said.
        uses_border: let what surrounds the image count, as the published code does: its black rim
            is known background, which pulls alpha to 0 where unknown pixels touch the image's edge.
    """

    steps: int = 100
    lr: float = 20.0
    stages: Sequence[int] = (2, 3, 4, 5)
    keep_weight: float = 0.1
    uses_border: bool = True

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ValueError: names the setting.
        """
        if self.steps < 0:
            raise ValueError(f"steps: must be 0 or more, got {self.steps}.")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr: must be a number above 0, got {self.lr}.")
        if not 0 <= self.keep_weight < math.inf:
            raise ValueError(f"keep_weight: must be a number of 0 or more, got {self.keep_weight}.")
        if not self.stages or not set(self.stages) <= set(_GRIDS):
            raise ValueError(f"stages: must be some of 2 to 5, got {list(self.stages)}.")


@dataclass
class Trace:
    """What the steps gave.

    Args:
        losses: of each step: total, edge, preservation.
        scales, shifts: by unit, after the last update.
    """

    losses: list[tuple[float, ...]]
    scales: dict[int, Tensor]
    shifts: dict[int, Tensor]


def refined(
    net: LsaNet, x: Tensor, settings: Refinement, inside: Tensor | None = None
) -> tuple[Tensor, Trace]:
    """Alpha (1, 1, H, W) in [0, 1] of a network's input, with what the steps gave.

    Without an unknown pixel, or with at most one step, it is the network's own, clamped. Where a
    step leaves the finite numbers, the result is that of the step before.

    Args:
        net: in evaluation mode; its parameters get no gradient.
        x: (1, 4, H, W), as ``net.inputs`` makes it.
        settings: how.
        inside: (1, 1, H, W) bool; pixels outside are neither unknown nor known. None: all count.

    Raises:
        ValueError: more than one image.
    """
    if len(x) != 1:
        raise ValueError(f"x: images are refined one by one, got {len(x)}.")
    with torch.inference_mode(False), torch.no_grad():
        x = x.clone() if x.is_inference() else x
        edges = _Edges(x[:, 3:4], inside)
        trace = Trace([], _zeros(net.decoder, settings, x), _zeros(net.decoder, settings, x))
        if settings.steps < 2 or not edges.any_unknown:
            return net(x).clamp(0, 1), trace
        decoder = _Frozen(net.decoder, net.features(x))  # whose stages are not kept
        return _descend(decoder, edges, settings, trace), trace


def _descend(decoder: _Frozen, edges: _Edges, settings: Refinement, trace: Trace) -> Tensor:
    # By the same sums as the first step's: its distance from the target has to be 0 everywhere,
    # where the gradient of the absolute value is, too.
    target = decoder(trace.scales, trace.shifts)
    alpha = target.clamp(0, 1)
    variables = [*trace.scales.values(), *trace.shifts.values()]
    for step in range(settings.steps):
        with torch.enable_grad():
            current = decoder(trace.scales, trace.shifts).clamp(0, 1)
            losses = edges.losses(current, target, settings)
            gradients = torch.autograd.grad(losses[0], variables)
        if not bool(torch.isfinite(losses[0])):
            log.warning("refinement: not finite at step %d; alpha is that before it.", step + 1)
            break
        alpha = current.detach()
        trace.losses.append(tuple(float(loss) for loss in losses))
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.data.add_(gradient, alpha=-settings.lr)
    return alpha


class _Edges:
    """Where the trimap is unknown, and where that borders on what is known.

    Args:
        trimap: (1, 1, H, W) in [0, 1].
        inside: which pixels count.
    """

    def __init__(self, trimap: Tensor, inside: Tensor | None) -> None:
        counts = torch.ones_like(trimap, dtype=torch.bool) if inside is None else inside
        known = [(trimap > 0.75) & counts, (trimap < 0.25) & counts]
        self.unknown = counts & ~known[0] & ~known[1]
        self.by_foreground, self.by_background = (self.unknown & _near(k) for k in known)
        self.any_unknown = bool(self.unknown.any())

    def losses(self, alpha: Tensor, target: Tensor, settings: Refinement) -> tuple[Tensor, ...]:
        """Total, edge and preservation loss of (1, 1, H, W) alphas."""
        wrong = ((1 - alpha) ** 2)[self.by_foreground].sum() + (alpha**2)[self.by_background].sum()
        edge = wrong / (self.by_foreground.sum() + self.by_background.sum() + 0.2)
        keep = (alpha - target).abs()[self.unknown].sum() / self.unknown.sum().clamp(min=1)
        return edge + settings.keep_weight * keep**2, edge, keep


class _Frozen:
    """A decoder whose constant part, the convolutions of the encoder's stages, is computed once.

    Args:
        decoder: the decoder.
        stages: of one image.
    """

    def __init__(self, decoder: Decoder, stages: Mapping[str, Tensor]) -> None:
        self._decoder = decoder
        self._image = stages["stage0"]
        self._constants: dict[int, Tensor] = {}
        self._weights: dict[int, Tensor] = {}
        for number in UNITS:
            conv = getattr(decoder, f"decoder_{number}").conv1
            stage = stages[f"stage{number}"]
            own, below = conv.weight.split([stage.shape[1], conv.in_channels - stage.shape[1]], 1)
            self._constants[number] = F.conv2d(stage, own, conv.bias, padding=1)
            self._weights[number] = below

    def __call__(self, scales: Mapping[int, Tensor], shifts: Mapping[int, Tensor]) -> Tensor:
        """(1, 1, H, W), not clamped."""
        features: Tensor | None = None
        *first, last = UNITS
        for number in first:
            features = self._unit(number, features)
            if number in scales:
                size = self._constants[number].shape[-2:]
                factor, shift = (_on_grid(maps[number], size) for maps in (scales, shifts))
                features = features * factor.exp() + shift
        # The largest maps are here; made anew for the gradient instead of kept for it.
        alpha: Tensor = checkpoint(self._end, last, features, use_reentrant=False)
        return alpha

    def _end(self, last: int, features: Tensor) -> Tensor:
        return self._decoder.finish(self._image, self._unit(last, features))

    def _unit(self, number: int, below: Tensor | None) -> Tensor:
        constant = self._constants[number]
        if below is not None:
            above = F.interpolate(below, size=constant.shape[-2:], mode="nearest")
            constant = constant + F.conv2d(above, self._weights[number], padding=1)
        gated: Tensor = getattr(self._decoder, f"decoder_{number}").gate(constant)
        return gated


def _zeros(decoder: Decoder, settings: Refinement, like: Tensor) -> dict[int, Tensor]:
    found = {}
    for number in settings.stages:
        channels = getattr(decoder, f"decoder_{number}").conv1.out_channels
        shape = (1, channels, _GRIDS[number], _GRIDS[number])
        found[number] = like.new_zeros(shape).requires_grad_()
    return found


def _on_grid(maps: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(maps, size=tuple(size), mode="bicubic", align_corners=False)


def _near(mask: Tensor) -> Tensor:
    """Pixels that have one of the mask's among their neighbours."""
    return F.max_pool2d(mask.float(), 3, stride=1, padding=1) > 0.5
