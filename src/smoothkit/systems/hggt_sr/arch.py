"""Networks of the super-resolution experiments, beside BasicSR's RRDBNet.

All but one take RGB images (N, 3, H, W) in [0, 1]; results are not clipped. Parameter names are
those of the published checkpoints.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.archs.borrowed import BorrowedNetwork
from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.core.image_io import ImageIO
from smoothkit.core.registry import ARCH_REGISTRY

log = logging.getLogger(__name__)

PadMode = Literal["always", "needed", "none"]


@ARCH_REGISTRY.register
class RRDBPSNet(nn.Module):
    """RRDBNet with sub-pixel convolution in place of nearest upsampling.

    Args:
        num_in_ch, num_out_ch: channels of the input and of the result.
        scale: 3 or a power of two. Of 2 and 1 the published arithmetic makes results of the input's
            size and of a quarter of it, since the input is unshuffled as well.
        num_feat, num_block, num_grow_ch: channels, blocks, channels that a dense layer adds.

    Source: HGGT (arXiv 2303.13069), published code; blocks of ESRGAN (Wang et al., 2018).
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        scale: int = 4,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
    ) -> None:
        super().__init__()
        make_layer, upsample = (
            basicsr_part("archs.arch_util", name) for name in ("make_layer", "Upsample")
        )
        rrdb = basicsr_part("archs.rrdbnet_arch", "RRDB")
        self.unshuffle = {1: 4, 2: 2}.get(scale, 1)
        if self.unshuffle > 1:
            size = "the input's size" if scale == 2 else "a quarter of the input's size"
            log.warning("RRDBPSNet: with scale %d results have %s.", scale, size)
        self.conv_first = _conv(num_in_ch * self.unshuffle**2, num_feat)
        self.body = make_layer(rrdb, num_block, num_feat=num_feat, num_grow_ch=num_grow_ch)
        self.conv_body = _conv(num_feat, num_feat)
        self.upsample = upsample(scale, num_feat)
        self.conv_hr = _conv(num_feat, num_feat)
        self.conv_last = _conv(num_feat, num_out_ch)
        self.io = ImageIO(
            channels=num_in_ch,
            multiple_of=self.unshuffle,
            scale=max(1, scale // self.unshuffle),
            radius=_rrdb_radius(num_block) * self.unshuffle,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, num_out_ch, scale * H, scale * W)."""
        feat = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        feat = feat + self.conv_body(self.body(feat))
        feat = _activated(self.upsample(feat))
        return self.conv_last(_activated(self.conv_hr(feat)))


class _RRDB(nn.Module):
    """Three dense blocks with a residual, under the names of the first ESRGAN release."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        block = basicsr_part("archs.rrdbnet_arch", "ResidualDenseBlock")
        self.RDB1 = block(num_feat, num_grow_ch)
        self.RDB2 = block(num_feat, num_grow_ch)
        self.RDB3 = block(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.RDB3(self.RDB2(self.RDB1(x)))


class _OldNamesRRDBNet(nn.Module):
    """The arithmetic of RRDBNet under the names of the first ESRGAN release."""

    def __init__(self, in_nc: int, out_nc: int, nf: int, nb: int, gc: int, sf: int = 4) -> None:
        super().__init__()
        self.conv_first = _conv(in_nc, nf)
        self.RRDB_trunk = nn.Sequential(*(_RRDB(nf, gc) for _ in range(nb)))
        self.trunk_conv = _conv(nf, nf)
        self.upconv1 = _conv(nf, nf)
        if sf == 4:
            self.upconv2 = _conv(nf, nf)
        self.HRconv = _conv(nf, nf)
        self.conv_last = _conv(nf, out_nc)
        self.io = ImageIO(channels=in_nc, scale=sf, radius=_rrdb_radius(nb))

    def features(self, x: Tensor) -> Tensor:
        """The shallow features of an image, (N, nf, H, W)."""
        return self.conv_first(x)  # type: ignore[no-any-return]

    def trunk(self, feat: Tensor) -> Tensor:
        """The deep features, (N, nf, H, W)."""
        return feat + self.trunk_conv(self.RRDB_trunk(feat))  # type: ignore[no-any-return]

    def tail(self, feat: Tensor) -> Tensor:
        """The image of deep features."""
        for conv in (self.upconv1, getattr(self, "upconv2", None)):
            if conv is not None:
                feat = _activated(conv(F.interpolate(feat, scale_factor=2, mode="nearest")))
        return self.conv_last(_activated(self.HRconv(feat)))  # type: ignore[no-any-return]


@ARCH_REGISTRY.register
class RRDBAdaNet(_OldNamesRRDBNet):
    """The generator of AdaTarget, four times as large as its input.

    Args:
        in_nc, out_nc: channels of the input and of the result.
        nf, nb, gc: channels, blocks, channels that a dense layer adds.

    Source: AdaTarget (Jo et al., CVPR 2021), as HGGT's published code has it. Its weights start as
    PyTorch's defaults.
    """

    def __init__(
        self, in_nc: int = 3, out_nc: int = 3, nf: int = 64, nb: int = 23, gc: int = 32
    ) -> None:
        super().__init__(in_nc, out_nc, nf, nb, gc)
        for module in self.RRDB_trunk.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()

    def forward(
        self, x: Tensor | None, x_feat: Tensor | None = None, out_feat: bool = False
    ) -> Tensor:
        """The image; or with ``out_feat`` the deep features, (N, nf, H, W).

        Args:
            x: (N, in_nc, H, W).
            x_feat: (N, nf, H, W) in place of the shallow features of ``x``.
        """
        if x_feat is None:
            assert x is not None
            x_feat = self.features(x)
        feat = self.trunk(x_feat)
        return feat if out_feat else self.tail(feat)


@ARCH_REGISTRY.register
class BSRGANRRDBNet(_OldNamesRRDBNet):
    """The generator of BSRGAN, whose published checkpoints are bare state dicts.

    Args:
        in_nc, out_nc: channels of the input and of the result.
        nf, nb, gc: channels, blocks, channels that a dense layer adds.
        sf: scale, 2 or 4.

    Source: BSRGAN (Zhang et al., ICCV 2021).
    """

    def __init__(
        self,
        in_nc: int = 3,
        out_nc: int = 3,
        nf: int = 64,
        nb: int = 23,
        gc: int = 32,
        sf: Literal[2, 4] = 4,
    ) -> None:
        super().__init__(in_nc, out_nc, nf, nb, gc, sf)

    def forward(self, x: Tensor) -> Tensor:
        """(N, out_nc, sf * H, sf * W)."""
        return self.tail(self.trunk(self.features(x)))


@ARCH_REGISTRY.register
class LocNet(nn.Module):
    """Affine transforms of patches: six numbers from a result's patch and the truth around it.

    Source: AdaTarget (Jo et al., CVPR 2021), as HGGT's published code has it: widths are fixed, and
    the last layer does not start at the identity.
    """

    io = None  # no image goes in
    WIDTH = 3 * 9 * 9 + 3 * 7 * 7

    def __init__(self) -> None:
        super().__init__()
        width = self.WIDTH
        self.layer1, self.bn1 = nn.Linear(width, 2 * width), nn.BatchNorm1d(2 * width)
        self.layer2, self.bn2 = nn.Linear(2 * width, 2 * width), nn.BatchNorm1d(2 * width)
        self.layer3, self.bn3 = nn.Linear(2 * width, width), nn.BatchNorm1d(width)
        self.layer4 = nn.Linear(width, 6)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 6): the upper two rows of a transform.

        Args:
            x: (rows, 390): 147 values of a 7 x 7 patch, then 243 of the 9 x 9 patch around it, both
                channel after channel.
        """
        x = F.relu(self.bn1(self.layer1(x)))
        x = F.relu(self.bn2(self.layer2(x)))
        x = F.relu(self.bn3(self.layer3(x)))
        return self.layer4(x)


@ARCH_REGISTRY.register
class HggtSwinIR(BorrowedNetwork):
    """BasicSR's SwinIR behind a padding of its own; ``type: SwinIR`` is BasicSR's, without it.

    Args:
        upscale, in_chans, img_size, window_size, img_range, depths, embed_dim, num_heads,
            mlp_ratio, upsampler, resi_connection: as for BasicSR's SwinIR.
        pad_mode: ``always`` reflects a border of up to a whole window on the right and below, also
            where the sides fit, as the published weights were trained; ``needed`` only where they
            do not fit; ``none`` takes multiples of the window alone.

    Source: SwinIR (Liang et al., 2021); padding of HGGT's published code.
    """

    def __init__(
        self,
        upscale: int = 4,
        in_chans: int = 3,
        img_size: int = 64,
        window_size: int = 8,
        img_range: float = 1.0,
        depths: Sequence[int] = (6, 6, 6, 6, 6, 6),
        embed_dim: int = 180,
        num_heads: Sequence[int] = (6, 6, 6, 6, 6, 6),
        mlp_ratio: float = 2,
        upsampler: str = "pixelshuffle",
        resi_connection: str = "1conv",
        pad_mode: PadMode = "always",
    ) -> None:
        super().__init__(
            "archs.swinir_arch",
            "SwinIR",
            upscale=upscale,
            in_chans=in_chans,
            img_size=img_size,
            window_size=window_size,
            img_range=img_range,
            depths=tuple(depths),
            embed_dim=embed_dim,
            num_heads=tuple(num_heads),
            mlp_ratio=mlp_ratio,
            upsampler=upsampler,
            resi_connection=resi_connection,
        )
        self._window, self._scale, self._pad_mode = window_size, upscale, pad_mode
        # Reflection needs more pixels than it adds: a side of just one window has too few.
        self.io = ImageIO(
            channels=in_chans,
            multiple_of=window_size if pad_mode == "none" else 1,
            min_size=window_size + 1 if pad_mode != "none" else window_size,
            scale=upscale,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_chans, upscale * H, upscale * W)."""
        height, width = x.shape[-2:]
        right, below = (self._padding(side) for side in (width, height))
        result = super().forward(F.pad(x, (0, right, 0, below), mode="reflect"))
        return result[..., : height * self._scale, : width * self._scale]

    def _padding(self, side: int) -> int:
        if self._pad_mode == "always":
            return self._window - side % self._window
        return -side % self._window if self._pad_mode == "needed" else 0


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def _rrdb_radius(num_block: int) -> int:
    """Input pixels that a result sees: 15 convolutions a block, and those around them.

    The tail's four count by the size at which they work: less than one, a half and two quarters.
    """
    return 15 * num_block + 2 + 2
