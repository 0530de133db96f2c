"""ResNetV1d-50 under the names of mmclassification, for any number of input channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_EXPANSION = 4


class _ConvBn(nn.Module):
    def __init__(self, in_c: int, out_c: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_c, out_c, 3, stride=stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_c)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; ``stride`` sits in the middle one.

    Shape: (N, in_c, H, W) to (N, 4 * width, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_c: int, width: int, stride: int) -> None:
        super().__init__()
        out_c = _EXPANSION * width
        self.conv1 = nn.Conv2d(in_c, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_c, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_c)
        self.downsample: nn.Module | None = None
        if in_c != out_c or stride != 1:
            # Rounded up, so that odd maps agree with the strided convolution.
            pool = [nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)]
            self.downsample = nn.Sequential(
                *(pool if stride != 1 else []),
                nn.Conv2d(in_c, out_c, 1, bias=False),
                nn.BatchNorm2d(out_c),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNetV1d(nn.Module):
    """Features at strides 2, 4, 8, 16 and 32.

    Args:
        in_channels: of the input.
        width: channels of the stem; those of the last layer are 32 times as many.
        blocks: number of blocks of each layer.

    Source: He et al., "Bag of tricks for image classification", CVPR 2019.
    """

    def __init__(
        self, in_channels: int = 4, width: int = 64, blocks: Sequence[int] = (3, 4, 6, 3)
    ) -> None:
        super().__init__()
        half = width // 2
        self.stem = nn.Sequential(
            _ConvBn(in_channels, half, stride=2), _ConvBn(half, half), _ConvBn(half, width)
        )
        self.channels = {"stage1": width}
        in_c = width
        for number, count in enumerate(blocks, 1):
            layer = []
            for index in range(count):
                stride = 2 if index == 0 and number > 1 else 1
                layer.append(Bottleneck(in_c, width << (number - 1), stride))
                in_c = _EXPANSION * width << (number - 1)
            self.add_module(f"layer{number}", nn.Sequential(*layer))
            self.channels[f"stage{number + 1}"] = in_c

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``stage1`` to ``stage5`` of (N, in_channels, H, W)."""
        features = self.stem(x)
        stages = {"stage1": features}
        features = nn.functional.max_pool2d(features, 3, stride=2, padding=1)
        for number in range(1, 5):
            features = getattr(self, f"layer{number}")(features)
            stages[f"stage{number + 1}"] = features
        return stages
