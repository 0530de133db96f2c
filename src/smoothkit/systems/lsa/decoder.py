"""From the stages of an encoder to alpha."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.ops.precision import at_least_float32

# Channels that each unit gives, in widths of the network, in the order in which they run.
UNITS = {5: 8, 4: 4, 3: 2, 2: 1, 1: 1}


class Gated(nn.Module):
    """A convolution whose channels are weighted by their means over the whole map.

    Shape: (N, in_c, H, W) to (N, out_c, H, W).
    """

    def __init__(self, in_c: int, out_c: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_c, out_c, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_c)
        self.fc = nn.Conv2d(out_c, out_c, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.conv1(x))

    def gate(self, x: Tensor) -> Tensor:
        """What follows the convolution."""
        x = torch.relu(self.norm1(x))
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class _Head(nn.Module):
    """Three convolutions with bias, to one channel."""

    def __init__(self, in_c: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_c, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        # Half precision has steps of half a grey level in alpha.
        with torch.autocast(x.device.type, enabled=False):
            alpha: Tensor = self.conv3(x.to(self.conv3.weight.dtype))
        return alpha


class _Alignment(nn.Module):
    """Features of half the size, moved by a predicted flow, beside the input.

    The grid runs from corner to corner and is sampled between pixel centres, as the published
    weights have learned it.
    """

    def __init__(self, left_c: int, down_c: int, width: int) -> None:
        super().__init__()
        self.left_conv = nn.Conv2d(left_c, width, 1, bias=False)
        self.down_conv = nn.Conv2d(down_c, width, 1, bias=False)
        self.flow_make = nn.Conv2d(2 * width, 2, 3, padding=1, bias=False)
        self.final_conv = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, left: Tensor, down: Tensor) -> Tensor:
        size = left.shape[-2:]
        left, down = self.left_conv(left), self.down_conv(down)
        above = F.interpolate(down, size=size, mode="bilinear", align_corners=False)
        flow = self.flow_make(torch.cat([above, left], 1))
        fused: Tensor = self.final_conv(torch.cat([_moved(down, flow), left], 1))
        return fused


def _moved(features: Tensor, flow: Tensor) -> Tensor:
    """Features (N, C, h, w) sampled where a flow (N, 2, H, W), in half pixels, points to."""
    height, width = flow.shape[-2:]
    # Positions differ by less than half precision tells apart.
    with torch.autocast(flow.device.type, enabled=False):
        flow = at_least_float32(flow).permute(0, 2, 3, 1)
        ends = (torch.linspace(-1, 1, side).to(flow) for side in (height, width))
        y, x = torch.meshgrid(*ends, indexing="ij")
        grid = torch.stack([x, y], -1) + flow / flow.new_tensor([width, height])
        return F.grid_sample(features.to(grid), grid, align_corners=False)


class Decoder(nn.Module):
    """The released decoder, ``simple``, or the one that aligns features, ``fam``.

    Args:
        channels: of ``stage0`` to ``stage5``.
        width: channels of the last unit.
        aligns: move the last features by a flow before the head.
    """

    def __init__(
        self, channels: Mapping[str, int], width: int = 64, *, aligns: bool = False
    ) -> None:
        super().__init__()
        below = 0
        for number, times in UNITS.items():
            in_c = channels[f"stage{number}"] + below
            below = times * width
            self.add_module(f"decoder_{number}", Gated(in_c, below))
        half = width // 2
        if aligns:
            self.final_fusion = _Alignment(channels["stage0"], below, half)
        self.final_final = _Head(half if aligns else channels["stage0"] + below, half)
        self.aligns = aligns

    def forward(self, stages: Mapping[str, Tensor]) -> Tensor:
        """(N, 1, H, W), not clamped."""
        features: Tensor | None = None
        for number in UNITS:
            features = self.step(number, stages[f"stage{number}"], features)
        assert features is not None
        return self.finish(stages["stage0"], features)

    def step(self, number: int, stage: Tensor, below: Tensor | None) -> Tensor:
        """Unit ``number`` on its stage and what the unit below gave."""
        if below is not None:
            above = F.interpolate(below, size=stage.shape[-2:], mode="nearest")
            stage = torch.cat([stage, above], 1)
        features: Tensor = getattr(self, f"decoder_{number}")(stage)
        return features

    def finish(self, x: Tensor, features: Tensor) -> Tensor:
        """Alpha of the input and the last unit's features."""
        if self.aligns:
            joined = self.final_fusion(x, features)
        else:
            above = F.interpolate(features, size=x.shape[-2:], mode="bilinear", align_corners=False)
            joined = torch.cat([x, above], 1)
        alpha: Tensor = self.final_final(joined)
        return alpha
