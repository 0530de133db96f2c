"""Networks of the enhancement of ground truths: RCAN without upsampling, ELAN, a discriminator.

All take RGB images (N, 3, H, W) in [0, 1]; results are not clipped. Parameter names are those of
the published checkpoints.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.archs.borrowed import BorrowedNetwork
from smoothkit.core.image_io import ImageIO
from smoothkit.core.registry import ARCH_REGISTRY

_MEAN = (0.4488, 0.4371, 0.4040)
# Tiles of the published inference scripts. What both networks give depends on them: RCAN pools over
# the whole tile, and the windows of ELAN begin at its corner.
_TILE = (1024, 24)

# Of each window size, by window: (windows, 1, pixels, channels).
Queries = Sequence[Tensor | None]


@ARCH_REGISTRY.register
class RCANNOUP(BorrowedNetwork):
    """BasicSR's RCAN without upsampling.

    Args:
        num_in_ch: channels of the input.
        num_out_ch: channels of the result.
        num_feat: channels in between.
        num_group: residual groups.
        num_block: blocks of a group.
        squeeze_factor: by which channel attention reduces the channels.
        res_scale: of what a block adds.
        img_range: values of an image inside the network reach to this.
        rgb_mean: subtracted from the image, in [0, 1].

    Source: RCAN (Zhang et al., ECCV 2018), as the published code of HGGT (arXiv 2303.13069) has it.
    """

    def __init__(
        self,
        num_in_ch: int,
        num_out_ch: int,
        num_feat: int = 64,
        num_group: int = 10,
        num_block: int = 16,
        squeeze_factor: int = 16,
        res_scale: float = 1,
        img_range: float = 255.0,
        rgb_mean: Sequence[float] = _MEAN,
    ) -> None:
        if not 1 <= squeeze_factor <= num_feat:
            raise ValueError(
                f"squeeze_factor: must be 1 to num_feat ({num_feat}), got {squeeze_factor}."
            )
        super().__init__(
            "archs.rcan_arch",
            "RCAN",
            num_in_ch=num_in_ch,
            num_out_ch=num_out_ch,
            num_feat=num_feat,
            num_group=num_group,
            num_block=num_block,
            squeeze_factor=squeeze_factor,
            upscale=1,
            res_scale=res_scale,
            img_range=img_range,
            rgb_mean=rgb_mean,
        )
        self.io = ImageIO(channels=num_in_ch, default_tile=_TILE)


@ARCH_REGISTRY.register
class RealESRGANUNetDiscriminatorSN(BorrowedNetwork):
    """BasicSR's UNetDiscriminatorSN under the name in the published option files.

    Args:
        num_in_ch: channels of the images that are judged.
        num_feat: channels of the first layer.
        skip_connection: add features of equal size; sides then have to be multiples of 8.

    Source: Real-ESRGAN (Wang et al., 2021).
    """

    io = None  # it makes logits, no image

    def __init__(self, num_in_ch: int, num_feat: int = 64, skip_connection: bool = True) -> None:
        super().__init__(
            "archs.discriminator_arch",
            "UNetDiscriminatorSN",
            num_in_ch=num_in_ch,
            num_feat=num_feat,
            skip_connection=skip_connection,
        )
        self._has_skips = skip_connection

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, H, W)."""
        height, width = x.shape[-2:]
        if self._has_skips and (height % 8 or width % 8):
            raise ValueError(f"sides must be multiples of 8, got {height}x{width}.")
        return super().forward(x)


@ARCH_REGISTRY.register
class ELAN(nn.Module):
    """Convolutions over shifted channels, and attention within windows of several sizes.

    Args:
        scale: of the result.
        img_range: values of an image inside the network reach to this.
        colors: channels of an image.
        window_sizes: sides of the windows, in pixels, of each third of the channels; more than
            three only enlarge what images are padded to.
        m_elan: pairs of convolutions and attention.
        c_elan: channels, a multiple of 3.
        n_share: pairs that use the attention of the pair before.
        r_expand: by which convolutions increase the channels in between.
        rgb_mean: subtracted from the image, in [0, 1].

    Source: ELAN (Zhang et al., ECCV 2022), as the published code of HGGT (arXiv 2303.13069) has it:
    attention is not scaled, and its key is its query. Odd windows move the image by one pixel up
    and left, as there.
    """

    def __init__(
        self,
        scale: int = 1,
        img_range: float = 255.0,
        colors: int = 3,
        window_sizes: Sequence[int] = (4, 8, 16),
        m_elan: int = 36,
        c_elan: int = 180,
        n_share: int = 0,
        r_expand: int = 2,
        rgb_mean: Sequence[float] = _MEAN,
    ) -> None:
        super().__init__()
        if len(window_sizes) < 3 or min(window_sizes) < 1:
            raise ValueError(f"window_sizes: must be three or more, got {list(window_sizes)}.")
        if c_elan < 3 or c_elan % 3:
            raise ValueError(f"c_elan: must be a multiple of 3, got {c_elan}.")
        if n_share < 0 or m_elan < 1 + n_share:
            raise ValueError(f"m_elan: must be at least 1 + n_share, got {m_elan} and {n_share}.")
        if len(rgb_mean) != colors:
            raise ValueError(f"rgb_mean: must be {colors} numbers (colors), got {len(rgb_mean)}.")
        self._scale, self._img_range = scale, img_range
        self._multiple = math.lcm(*window_sizes)
        self.register_buffer("mean", torch.tensor(rgb_mean).view(1, -1, 1, 1), persistent=False)
        self.head = nn.Sequential(nn.Conv2d(colors, c_elan, 3, padding=1))
        self.body = nn.Sequential(
            *(
                _Block(c_elan, window_sizes, r_expand, n_share, is_shifted=index % 2 == 1)
                for index in range(m_elan // (1 + n_share))
            )
        )
        upsampling = [nn.PixelShuffle(scale)] if scale > 1 else []
        self.tail = nn.Sequential(nn.Conv2d(c_elan, colors * scale**2, 3, padding=1), *upsampling)
        self.io = ImageIO(
            channels=colors,
            scale=scale,
            # What is mirrored has to be less than the image.
            refuses_below=self._multiple // 2 + 1,
            default_tile=_TILE,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, colors, scale * H, scale * W).

        Raises:
            ValueError: a side is too small to be mirrored up to a multiple of all windows.
        """
        height, width = x.shape[-2:]
        if fault := self.io.size_fault(height, width):
            raise ValueError(fault)
        x = F.pad(x, (0, -width % self._multiple, 0, -height % self._multiple), mode="reflect")
        feat = self.head((x - self.mean) * self._img_range)
        out = self.tail(self.body(feat) + feat) / self._img_range + self.mean
        return out[..., : height * self._scale, : width * self._scale]


class _Block(nn.Module):
    """Pairs of convolutions and attention; the first pair's attention is that of all.

    Args:
        channels: of the image.
        window_sizes: of attention.
        expansion: of the convolutions.
        num_shared: pairs after the first.
        is_shifted: put windows half a window further.
    """

    def __init__(
        self,
        channels: int,
        window_sizes: Sequence[int],
        expansion: int,
        num_shared: int,
        *,
        is_shifted: bool,
    ) -> None:
        super().__init__()
        self.modules_lfe = nn.ModuleDict()
        self.modules_gmsa = nn.ModuleDict()
        for index in range(1 + num_shared):
            self.modules_lfe[f"lfe_{index}"] = _Convolutions(channels, expansion)
            self.modules_gmsa[f"gmsa_{index}"] = _Attention(
                channels, window_sizes, is_shifted=is_shifted, has_queries=index == 0
            )

    def forward(self, x: Tensor) -> Tensor:
        queries: Queries = (None, None, None)
        for convolutions, attention in zip(
            self.modules_lfe.values(), self.modules_gmsa.values(), strict=True
        ):
            x = convolutions(x) + x
            attended, queries = attention(x, queries, keeps_queries=len(self.modules_gmsa) > 1)
            x = attended + x
        return x


class _Convolutions(nn.Module):
    """Two shifted convolutions with a ReLU between."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * channels
        self.conv0 = nn.Sequential(OrderedDict(shift_conv=_ShiftConv(channels, wide)))
        self.conv1 = nn.Sequential(OrderedDict(shift_conv=_ShiftConv(wide, channels)))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.conv0.shift_conv, self.conv1.shift_conv
        # Step by step, so that no caller keeps the wide maps in memory for longer than it has to.
        x = first.shifted(x)
        x = F.relu(first.conv1x1(x), inplace=True)
        x = second.shifted(x)
        return second.conv1x1(x)


class _ShiftConv(nn.Module):
    """A filter for each channel, which moves it by a pixel, then a mix of all channels.

    The filters do not train, but belong to the weights: a checkpoint may hold others.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_shifts(in_channels), requires_grad=False)
        self.conv1x1 = nn.Conv2d(in_channels, out_channels, 1)

    def shifted(self, x: Tensor) -> Tensor:
        """The channels after their filters; ``conv1x1`` mixes them."""
        return F.conv2d(x, self.weight, padding=1, groups=x.shape[1])


def _shifts(channels: int) -> Tensor:
    """(channels, 1, 3, 3): four fifths move left, right, up and down; the rest stays in place."""
    places = [place for place in (5, 3, 7, 1) for _ in range(channels // 5)]  # of 3 x 3, by rows
    places += [4] * (channels - len(places))
    return torch.eye(9)[places].view(channels, 1, 3, 3)


class _Attention(nn.Module):
    """Attention within windows, of another size in each third of the channels.

    Args:
        channels: of the image.
        window_sizes: sides of the windows; three are used.
        is_shifted: put windows half a window further, round the borders.
        has_queries: make queries of its own, beside the values.
    """

    def __init__(
        self, channels: int, window_sizes: Sequence[int], *, is_shifted: bool, has_queries: bool
    ) -> None:
        super().__init__()
        width = 2 * channels if has_queries else channels
        self._window_sizes = list(window_sizes[:3])
        self._is_shifted = is_shifted
        self.project_inp = nn.Sequential(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width))
        self.project_out = nn.Conv2d(channels, channels, 1)

    def forward(
        self, x: Tensor, queries: Queries, *, keeps_queries: bool
    ) -> tuple[Tensor, Queries]:
        """What attention gives, (N, C, H, W), and the queries of each window size.

        Args:
            x: (N, C, H, W).
            queries: of the first pair, which take the place of the larger matrices made of them;
                None where this is the first pair.
            keeps_queries: give them back.
        """
        pairs = [
            self._attended(part, side, query, keeps_query=keeps_queries)
            for part, side, query in zip(self._thirds(x), self._window_sizes, queries, strict=True)
        ]
        results, kept = zip(*pairs, strict=True)
        return self.project_out(torch.cat(results, dim=1)), kept

    def _attended(
        self, part: Tensor, side: int, query: Tensor | None, *, keeps_query: bool
    ) -> tuple[Tensor, Tensor | None]:
        """What attention of one window size gives, (N, C / 3, H, W), and the query."""
        height, width = part.shape[-2:]
        # Reference quirk: an odd window moves by half a window rounded up, and back by half rounded
        # down. Trained weights depend on it.
        ahead, back = (-(-side // 2), side // 2) if self._is_shifted else (0, 0)
        value = _windows(part, side, ahead)
        if query is None:
            query, value = value.chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(query, query, value, scale=1.0)
        return _image(attended, side, height, width, back), query if keeps_query else None

    def _thirds(self, x: Tensor) -> Iterator[Tensor]:
        """Queries and values, or values, of each window size, (N, 2C / 3 or C / 3, H, W)."""
        if self.training:
            yield from self.project_inp(x).chunk(3, dim=1)
            return
        # BatchNorm as part of the convolution saves a second pass over the channels, and one third
        # after the other two thirds of the memory.
        conv, norm = self.project_inp
        gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = conv.weight * gain.view(-1, 1, 1, 1)
        bias = (conv.bias - norm.running_mean) * gain + norm.bias
        for third in zip(weight.chunk(3), bias.chunk(3), strict=True):
            yield F.conv2d(x, *third)


def _windows(image: Tensor, side: int, shift: int) -> Tensor:
    """(windows, 1, side * side, C) of an image (N, C, H, W), moved up and left by ``shift``."""
    if shift:
        image = image.roll((-shift, -shift), (2, 3))
    count, channels, height, width = image.shape
    grid = (count, height // side, side, width // side, side, channels)
    tokens = image.permute(0, 2, 3, 1).reshape(grid).transpose(2, 3)
    return tokens.reshape(-1, 1, side * side, channels)


def _image(tokens: Tensor, side: int, height: int, width: int, shift: int) -> Tensor:
    """The image (N, C, H, W) of windows, moved down and right by ``shift``."""
    channels = tokens.shape[-1]
    grid = (-1, height // side, width // side, side, side, channels)
    image = tokens.reshape(grid).transpose(2, 3).reshape(-1, height, width, channels)
    image = image.permute(0, 3, 1, 2)
    return image.roll((shift, shift), (2, 3)) if shift else image
