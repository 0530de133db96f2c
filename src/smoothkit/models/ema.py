"""A running average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """``average = decay * average + (1 - decay) * net`` after every step.

    The running statistics of BatchNorm are averaged like the weights, since those of small batches
    are noisy. BasicSR's averaged network keeps the statistics that it started with.

    Args:
        net: the network whose weights are averaged; the average starts as a copy of them.
        decay: weight of the past.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.net = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module, skip: Tensor | None = None) -> None:
        """Take the newest weights in.

        Args:
            net: whose they are.
            skip: leave the average as it is where this flag on the device is 1.
        """
        averages = [*self.net.parameters(), *self.net.buffers()]
        newest = [*net.parameters(), *net.buffers()]
        if skip is not None:
            newest = [torch.where(skip > 0, a, n) for a, n in zip(averages, newest, strict=True)]
        pairs = list(zip(averages, newest, strict=True))
        smooth = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([a for a, _ in smooth], [n for _, n in smooth], 1 - self.decay)
        for average, value in pairs:
            if not average.is_floating_point():  # counters
                average.copy_(value)
