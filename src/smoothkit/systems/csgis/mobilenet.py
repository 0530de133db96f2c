"""MobileNetV2 as DeepLabV3+ reads it: dilated, without padding inside its blocks.

Source: Sandler et al., CVPR 2018; arithmetic and parameter names of the public repository
VainF/DeepLabV3Plus-Pytorch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of each stage: expansion, channels, blocks, stride.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM = 32
_NUM_LOW = 4  # entries up to the low-level features
MIN_SIZE = 3


class MobileNetV2(nn.Module):
    """Features of an image at about a quarter of its size, and at its ``output_stride``-th part.

    Args:
        output_stride: beyond it, strides become dilations.
    """

    low_channels, out_channels = 24, 320

    def __init__(self, output_stride: int) -> None:
        super().__init__()
        entries: list[nn.Module] = [nn.Sequential(*_conv_bn(3, _STEM, 3, stride=2), nn.ReLU6(True))]
        entries += _blocks(output_stride)
        # The published names go on counting where the features are cut in two.
        self.low_level_features = _numbered(entries[:_NUM_LOW], first=0)
        self.high_level_features = _numbered(entries[_NUM_LOW:], first=_NUM_LOW)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Low-level features (N, 24, H', W') and those of the last block (N, 320, H'', W'').

        Args:
            x: (N, 3, H, W), both sides 3 pixels or more.

        Raises:
            ValueError: the images are too small.
        """
        refuse_small(x)
        low = self.low_level_features(x)
        return low, self.high_level_features(low)


class InvertedResidual(nn.Module):
    """A block that widens its input, convolves each channel by itself, and narrows again.

    The input is padded, not the widened map: beyond the border that map has the values which zero
    is widened to, and these are not zero.
    """

    def __init__(
        self, in_c: int, out_c: int, *, expansion: int, stride: int, dilation: int
    ) -> None:
        super().__init__()
        hidden = in_c * expansion
        widen = [nn.Sequential(*_conv_bn(in_c, hidden, 1), nn.ReLU6(True))]
        each = _conv_bn(hidden, hidden, 3, stride=stride, dilation=dilation, groups=hidden)
        self.conv = nn.Sequential(
            *(widen if expansion > 1 else []),
            nn.Sequential(*each, nn.ReLU6(True)),
            *_conv_bn(hidden, out_c, 1),
        )
        self.margin = dilation
        self.has_identity = stride == 1 and in_c == out_c

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.conv(F.pad(x, (self.margin,) * 4))
        return x + changed if self.has_identity else changed


def refuse_small(x: Tensor) -> None:
    """Raise for images that the first convolution, which has no padding, cannot take."""
    height, width = x.shape[-2:]
    if min(height, width) < MIN_SIZE:
        raise ValueError(
            f"images: MobileNetV2 needs at least {MIN_SIZE} x {MIN_SIZE} pixels, got "
            f"{height} x {width}."
        )


# A call of it is one step of a traced network; the sizes that it looks at are not known there.
torch.fx.wrap("refuse_small")


def _blocks(output_stride: int) -> Iterator[nn.Module]:
    channels, reached, dilation = _STEM, 2, 1
    for expansion, width, count, wanted in _STAGES:
        before, stride = dilation, wanted
        if reached == output_stride:
            stride, dilation = 1, dilation * wanted
        else:
            reached *= wanted
        for number in range(count):
            yield InvertedResidual(
                channels,
                width,
                expansion=expansion,
                stride=stride if number == 0 else 1,
                # The first block still has the dilation of the stage before.
                dilation=before if number == 0 else dilation,
            )
            channels = width


def _conv_bn(
    in_c: int, out_c: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(in_c, out_c, kernel, stride, dilation=dilation, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out_c)]


def _numbered(modules: list[nn.Module], *, first: int) -> nn.Sequential:
    numbered = nn.Sequential()
    for number, module in enumerate(modules, first):
        numbered.add_module(str(number), module)
    return numbered
