"""Gates that weigh the channels and the pixels of a map."""

from __future__ import annotations

from collections import OrderedDict
from math import log2

import torch
from torch import Tensor, nn

_REDUCTION = 16


class _ChannelGate(nn.Module):
    """Weighs channels by their means and maxima over the whole map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The published layers are empty below 16 channels; one unit makes them a gate.
        hidden = max(channels // _REDUCTION, 1)
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        # amax shares a gradient among equal maxima, the same way on every device and in every run.
        logits = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        gated: Tensor = x * torch.sigmoid(logits)[:, :, None, None]
        return gated


class _SpatialGate(nn.Module):
    """Weighs pixels by the maximum and the mean of the channels around them."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        layers = OrderedDict(conv=conv, bn=nn.BatchNorm2d(1, momentum=0.01))
        self.spatial = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        gated: Tensor = x * torch.sigmoid(self.spatial(pooled))
        return gated


class CBAM(nn.Module):
    """Convolutional block attention: a gate of channels, then one of pixels.

    Shape: (N, channels, H, W) in and out; any H and W.

    Source: arXiv:1807.06521, with parameter names of the CSGIS-Net code. Differs from that: fewer
    than 16 channels get a hidden layer of one unit instead of none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = _ChannelGate(channels)
        self.SpatialGate = _SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = self.SpatialGate(self.ChannelGate(x))
        return gated


class ECA(nn.Module):
    """Efficient channel attention: channels times a convolution, along them, of their means.

    The convolution starts as the identity, so that a channel is at first weighed by its own mean.
    Shape: (N, channels, H, W) in and out; any H and W.

    Source: arXiv:1910.03151, as CSGIS-Net has it: without the sigmoid. Differs from that code: the
    convolution is part of the network, where the published one draws a new one at every call.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        side = eca_kernel(channels)
        self.conv = nn.Conv1d(1, 1, side, padding=side // 2, bias=False)
        nn.init.dirac_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.conv(x.mean((2, 3))[:, None])
        gated: Tensor = x * weights[:, 0, :, None, None]
        return gated


def eca_kernel(channels: int) -> int:
    """Length of the convolution along ``channels`` channels: odd, and growing with their log."""
    side = int(abs(log2(channels) + 1) / 2)
    return side if side % 2 else side + 1
