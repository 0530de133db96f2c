"""What may stand between the stages of the encoder and the decoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DILATIONS = {3: (12, 24, 36), 4: (6, 12, 18), 5: (3, 6, 9)}
# Channels of the gated stages, in widths of the network.
_ATTENTION = {2: 1, 3: 2, 4: 4, 5: 8}


class PlainSkip(nn.Module):
    """The stages as they are.

    Args:
        channels: of ``stage1`` to ``stage5``, and of the input as ``stage0``.
        width: of the network.
    """

    def __init__(self, channels: Mapping[str, int], width: int = 64) -> None:
        super().__init__()
        self.channels = dict(channels)

    def forward(self, x: Tensor, stages: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``stage0`` to ``stage5``.

        Args:
            x: (N, 4, H, W) input of the network.
            stages: of the encoder.
        """
        return {"stage0": x, **stages}


def _conv_bn_relu(in_c: int, out_c: int, side: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation if side == 3 else 0
    conv = nn.Conv2d(in_c, out_c, side, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(out_c), nn.ReLU()]


class _Aspp(nn.Module):
    """Convolutions of several dilations and the mean of the map, side by side."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*_conv_bn_relu(channels, channels)),
                *(nn.Sequential(*_conv_bn_relu(channels, channels, 3, d)) for d in dilations),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv_bn_relu(channels, channels)),
            ]
        )
        joined = len(self.convs) * channels
        self.project = nn.Sequential(*_conv_bn_relu(joined, channels), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        maps = [_resized(conv(x), x) for conv in self.convs]
        joined: Tensor = self.project(torch.cat(maps, 1))
        return joined


class AsppSkip(PlainSkip):
    """Atrous pyramids on the three deepest stages."""

    def __init__(self, channels: Mapping[str, int], width: int = 64) -> None:
        super().__init__(channels)
        for number, dilations in _DILATIONS.items():
            self.add_module(f"aspp{number}", _Aspp(channels[f"stage{number}"], dilations))

    def forward(self, x: Tensor, stages: Mapping[str, Tensor]) -> dict[str, Tensor]:
        deep = {f"stage{n}": getattr(self, f"aspp{n}")(stages[f"stage{n}"]) for n in _DILATIONS}
        return {"stage0": x, **stages, **deep}


class _Ppm(nn.Module):
    def __init__(self, channels: int, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = sides
        for side in sides:
            part = nn.Module()
            part.conv = nn.Conv2d(channels, channels // 4, 1, bias=False)
            part.norm = nn.BatchNorm2d(channels // 4)
            self.add_module(f"ppm{side}", part)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for side in self.sides:
            part = getattr(self, f"ppm{side}")
            pooled = torch.relu(part.norm(part.conv(F.adaptive_avg_pool2d(x, side))))
            maps.append(_resized(pooled, x))
        return torch.cat(maps, 1)


class PpmSkip(PlainSkip):
    """A pooling pyramid behind the deepest stage, which doubles its channels."""

    def __init__(self, channels: Mapping[str, int], width: int = 64) -> None:
        super().__init__({**channels, "stage5": 2 * channels["stage5"]})
        self.ppm = _Ppm(channels["stage5"], (1, 2, 3, 6))

    def forward(self, x: Tensor, stages: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"stage0": x, **stages, "stage5": self.ppm(stages["stage5"])}


class _Attended(nn.Module):
    def __init__(self, in_c: int, out_c: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_c, out_c, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_c)
        self.pconv = nn.Conv2d(out_c, out_c, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        return x * F.hardsigmoid(self.pconv(x.mean((2, 3), keepdim=True)))


class AttentionSkip(PlainSkip):
    """Stages beside what blocks of the trimap know, gated; the decoder sees the image alone."""

    def __init__(self, channels: Mapping[str, int], width: int = 64) -> None:
        own = {f"stage{n}": times * width for n, times in _ATTENTION.items()}
        super().__init__({**channels, **own, "stage0": 3})
        for number in _ATTENTION:
            stage = f"stage{number}"
            self.add_module(f"skip{number}", _Attended(channels[stage] + 4, own[stage]))

    def forward(self, x: Tensor, stages: Mapping[str, Tensor]) -> dict[str, Tensor]:
        trimap = x[:, 3:4]
        inside, outside = 4 * F.relu(trimap - 0.75), 4 * F.relu(0.25 - trimap)
        out = {"stage0": x[:, :3], "stage1": stages["stage1"]}
        for number in _ATTENTION:
            side = 2**number
            maps = [pool(known, side) for known in (inside, outside) for pool in (_min, _max)]
            joined = torch.cat([stages[f"stage{number}"], *maps], 1)
            out[f"stage{number}"] = getattr(self, f"skip{number}")(joined)
        return out


def _max(x: Tensor, side: int) -> Tensor:
    # Rounded up like the stages; the published network sees whole blocks only.
    return F.max_pool2d(x, side, side, ceil_mode=True)


def _min(x: Tensor, side: int) -> Tensor:
    return 1 - _max(1 - x, side)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


SKIPS = {"plain": PlainSkip, "aspp": AsppSkip, "ppm": PpmSkip, "attention": AttentionSkip}
