"""The block of the RDB network's descriptor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smoothkit.archs.hdc import conv3x3


class _ResidualUnit(nn.Module):
    """Two convolutions with batch normalisation, plus the identity, then ReLU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        residual = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(x + self.bn2(self.conv2(residual)))


class RDBlock(nn.Module):
    """Three convolutions of dilation 1, 3 and 5 side by side, merged, plus the identity.

    Shape: (N, dim, H, W) in and out. ``SIDE_RADIUS`` is what the two narrower convolutions add to
    a sum over all convolutions, though they lie beside the widest.
    """

    SIDE_RADIUS = 1 + 3

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.ReLU(inplace=True))
        self.conv1 = conv3x3(dim, dim)
        self.conv2 = conv3x3(dim, dim, dilation=3)
        self.conv3 = conv3x3(dim, dim, dilation=5)
        self.conv4 = nn.Sequential(conv3x3(3 * dim, dim), _ResidualUnit(dim))

    def forward(self, x: Tensor) -> Tensor:
        base = self.conv0(x)
        merged = self.conv4(torch.cat([self.conv1(base), self.conv2(base), self.conv3(base)], 1))
        out: Tensor = x + merged
        return out
