"""The pyramid of dilated convolutions that takes the place of blocks in the PDP network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smoothkit.archs.hdc import conv3x3
from smoothkit.systems.csgis.attention import CBAM


class _Stage(nn.Module):
    """Four convolutions side by side, joined from the narrowest view to the widest.

    Args:
        in_c, out_c: channels.
        power: convolution i has dilation i to the power of ``power``.
    """

    def __init__(self, in_c: int, out_c: int, power: int) -> None:
        super().__init__()
        self.conv_3x3_1 = conv3x3(in_c, out_c)
        self.conv_3x3_2 = conv3x3(in_c, out_c, dilation=2**power)
        self.conv_3x3_3 = conv3x3(in_c, out_c, dilation=3**power)
        self.conv_3x3_4 = conv3x3(in_c, out_c, dilation=4**power)
        self.conv_1x1_1 = nn.Conv2d(4 * out_c, out_c, 1)
        self.conv_1x1_2 = nn.Conv2d(3 * out_c, out_c, 1)
        self.conv_1x1_3 = nn.Conv2d(2 * out_c, out_c, 1)
        self.conv_1x1_0 = nn.Conv2d(4 * out_c, out_c, 1)
        self.cbam = CBAM(out_c)

    def forward(self, x: Tensor) -> Tensor:
        views = [self.conv_3x3_1(x), self.conv_3x3_2(x), self.conv_3x3_3(x), self.conv_3x3_4(x)]
        joined = torch.cat(
            [
                self.conv_1x1_1(torch.cat(views, 1)),
                self.conv_1x1_2(torch.cat(views[1:], 1)),
                self.conv_1x1_3(torch.cat(views[2:], 1)),
                views[3],
            ],
            1,
        )
        out: Tensor = self.cbam(self.conv_1x1_0(joined))
        return out


class PDPBlock(nn.Module):
    """Four stages, each of which sees the block's input and all stages before it.

    There is no identity, and no normalisation or activation but those of the attention.
    Shape: (N, dim, H, W) in and out.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.PP1 = _Stage(dim, dim, power=0)
        self.PP2 = _Stage(2 * dim, dim, power=1)
        self.PP3 = _Stage(3 * dim, dim, power=2)
        self.PP4 = _Stage(4 * dim, dim, power=3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, self.PP1(x)], 1)
        x = torch.cat([x, self.PP2(x)], 1)
        x = torch.cat([x, self.PP3(x)], 1)
        out: Tensor = self.PP4(x)
        return out
