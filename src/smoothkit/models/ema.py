"""A running average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """``average = decay * average + (1 - decay) * net`` after every step; buffers are copied.

    Args:
        net: the network whose weights are averaged; the average starts as a copy of them.
        decay: weight of the past.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.net = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take the newest weights in."""
        torch._foreach_lerp_(list(self.net.parameters()), list(net.parameters()), 1 - self.decay)
        # Running statistics of BatchNorm are averages already.
        for average, newest in zip(self.net.buffers(), net.buffers(), strict=True):
            average.copy_(newest)
