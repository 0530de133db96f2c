"""From a matting network to the alpha of whole images: padding, size limit, averaged views.

Source: arXiv 2112.13809, published code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.signature import read_section
from smoothkit.models.finite import finite
from smoothkit.models.predictor import Rounding, quantise
from smoothkit.ops.pad import pad_to
from smoothkit.ops.upsample import guided_upsample
from smoothkit.systems.lsa.arch import LsaNet
from smoothkit.systems.lsa.refine import Refinement, refined

Views = Literal["plain", "flips", "rotations"]

_MULTIPLE, _MIRRORED, _BLACK = 64, 16, 16
_FLIPS = ((), (3,), (2,), (2, 3))
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
# Of a trimap, between which alpha is the network's.
_LOW, _HIGH = 50 / 255, 200 / 255


class MattingPredictor:
    """Runs a matting network on images with trimaps.

    The published inference is ``keep_aspect: false`` (Composition-1k), and besides that ``views:
    rotations`` with ``scales: [0.8, 1.0, 1.25]`` and ``refine: {}`` (alphamatting.com).

    Args:
        views: mean over mirrored images: one, the four flips, or those and the same of the
            transposed image.
        permutations: mean over the six orders of the channels, of the image and its negative.
        scales: mean over the image at these sizes.
        max_size: longer side, in pixels, at which the network sees what is larger; ~: no limit. It
            holds at each of the scales.
        keep_aspect: make both sides smaller by one factor; false cuts each side to ``max_size`` by
            itself, as the published code does.
        upsampling: of alpha where the image was made smaller: ``linear`` as in the published code,
            or ``guided`` by the image.
        border: surround the image as published: mirrored to multiples of 64, by 16 pixels more, and
            by 16 black ones. The decoder's gates average over all that, which shows in small
            images; a network that never saw such borders does better without.
        refine: options of ``smoothkit.systems.lsa.refine.Refinement``; ~: off.
        rounding: to which 8-bit value alpha goes in files.
        measures_rounded: measure what the files hold; false measures what the network gave.
    """

    given = ()

    def __init__(
        self,
        views: Views = "plain",
        permutations: bool = False,
        scales: Sequence[float] = (1.0,),
        max_size: int | None = 2176,
        keep_aspect: bool = True,
        upsampling: Literal["linear", "guided"] = "linear",
        border: bool = True,
        refine: dict[str, Any] | None = None,
        rounding: Rounding = "round",
        measures_rounded: bool = True,
    ) -> None:
        if not scales or not all(0 < scale < math.inf for scale in scales):
            _refuse("scales", f"must be numbers above 0, got {list(scales)}.")
        if max_size is not None and max_size < 1:
            _refuse("max_size", f"must be 1 or more, got {max_size}. Use ~ for no limit.")
        self.views, self.permutations = views, permutations
        self.scales = tuple(scales)
        self.max_size, self.keep_aspect, self.upsampling = max_size, keep_aspect, upsampling
        self.border = border
        where = "predictor.refine"
        self.refine = read_section(Refinement, refine, where) if refine is not None else None
        self.rounding, self.measures_rounded = rounding, measures_rounded

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[Fault]:
        """What of the section ``predictor`` is out of range."""
        try:
            cls(**options["predictor"])
        except OptionError as error:
            return list(error.faults)
        return []

    def __call__(self, net: LsaNet, image: Tensor, trimap: Tensor) -> Tensor:
        """Alpha (N, 1, H, W) in [0, 1], float32, with the trimap's known pixels.

        Args:
            net: in evaluation mode.
            image: (N, 3, H, W) float32, RGB in [0, 1].
            trimap: (N, 1, H, W): below 50 / 255 background, above 200 / 255 foreground, else
                unknown.

        Raises:
            ValueError: sizes that differ; more than one image where alpha is refined.
            NotFiniteError: the network gives NaN or infinity.
        """
        if image.shape[-2:] != trimap.shape[-2:]:
            sizes = f"{tuple(image.shape[-2:])} and {tuple(trimap.shape[-2:])}"
            raise ValueError(f"trimap: must have the size of the image, got {sizes}.")
        alpha = self.estimate(net, image, trimap).clamp(0, 1)
        return _enforced(alpha, trimap, low=1 / 510, high=1 - 1 / 510)

    @torch.no_grad()
    def estimate(self, net: LsaNet, image: Tensor, trimap: Tensor) -> Tensor:
        """``__call__`` before alpha is cut to [0, 1] and the trimap's known pixels are put in."""
        size = image.shape[-2:]
        results = []
        for scale in self.scales:
            scaled = max(1, int(scale * size[0])), max(1, int(scale * size[1]))
            inputs = _resized(image, scaled, "bicubic"), _resized(trimap, scaled, "nearest")
            alpha = self._mean_over_orders(net, *inputs)
            results.append(_resized(alpha, size, "bicubic"))
        return _mean(results)

    def written(self, alpha: Tensor) -> Tensor:
        """Alpha at the levels of an 8-bit file."""
        return quantise(alpha, self.rounding)

    def _limited_size(self, height: int, width: int) -> tuple[int, int]:
        limit = self.max_size
        if limit is None or max(height, width) <= limit:
            return height, width
        if not self.keep_aspect:
            return min(height, limit), min(width, limit)
        scale = limit / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _mean_over_orders(self, net: LsaNet, image: Tensor, trimap: Tensor) -> Tensor:
        images = [image]
        if self.permutations:
            images = [v[:, order] for order in _ORDERS for v in (image, 1 - image)]
        return _mean(self._within_limit(net, view, trimap) for view in images)

    def _within_limit(self, net: LsaNet, image: Tensor, trimap: Tensor) -> Tensor:
        size = image.shape[-2:]
        limited = self._limited_size(*size)
        small = _resized(image, limited, "bilinear")
        alpha = self._mean_over_views(net, small, _resized(trimap, limited, "nearest"))
        if tuple(limited) == tuple(size):
            return alpha
        if self.upsampling == "guided":
            return guided_upsample(alpha, small, image)
        return _resized(alpha, size, "bilinear")

    def _mean_over_views(self, net: LsaNet, image: Tensor, trimap: Tensor) -> Tensor:
        return _mean(
            view.undo(self._single(net, view(image), view(trimap))) for view in _views(self.views)
        )

    def _single(self, net: LsaNet, image: Tensor, trimap: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if self.border:
            x, margin = net.inputs(_bordered(image), _bordered(trimap)), _MIRRORED + _BLACK
        else:
            x, margin = pad_to(net.inputs(image, trimap), multiple_of=net.io.multiple_of), 0
        if self.refine is None or self.refine.steps < 2:
            alpha = net(x).float()
        else:
            inside = None if self.refine.uses_border else _window(x, margin, height, width)
            alpha, _ = refined(net, x, self.refine, inside)
        alpha = alpha[..., margin : margin + height, margin : margin + width]
        return _enforced(finite(alpha, net).clamp(0, 1), trimap, low=_LOW, high=_HIGH)


@dataclass(frozen=True)
class _View:
    flips: tuple[int, ...]
    is_transposed: bool

    def __call__(self, image: Tensor) -> Tensor:
        image = image.transpose(2, 3) if self.is_transposed else image
        return image.flip(self.flips) if self.flips else image

    def undo(self, image: Tensor) -> Tensor:
        image = image.flip(self.flips) if self.flips else image
        return image.transpose(2, 3) if self.is_transposed else image


def _views(kind: Views) -> list[_View]:
    flips = _FLIPS[:1] if kind == "plain" else _FLIPS
    turns = (False, True) if kind == "rotations" else (False,)
    return [_View(flip, turn) for turn in turns for flip in flips]


def _enforced(alpha: Tensor, trimap: Tensor, *, low: float, high: float) -> Tensor:
    """Alpha with 0 below ``low`` of the trimap and 1 above ``high``."""
    alpha = torch.where(trimap > high, torch.ones_like(alpha), alpha)
    return torch.where(trimap < low, torch.zeros_like(alpha), alpha)


def _bordered(image: Tensor) -> Tensor:
    """Mirrored to a multiple of 64 and by 16 more, in a black border of 16 pixels."""
    for axis in (2, 3):
        side = image.shape[axis]
        behind = -side % _MULTIPLE + _MIRRORED
        # By index: torch mirrors no further than once.
        index = np.pad(np.arange(side), (0, behind - _MIRRORED), mode="reflect")
        index = np.pad(index, _MIRRORED, mode="reflect")
        image = image.index_select(axis, torch.from_numpy(index).to(image.device))
    return F.pad(image, (_BLACK,) * 4)


def _window(x: Tensor, margin: int, height: int, width: int) -> Tensor:
    """(1, 1, H, W), True where an input shows the image itself."""
    inside = torch.zeros_like(x[:1, :1], dtype=torch.bool)
    inside[..., margin : margin + height, margin : margin + width] = True
    return inside


def _resized(image: Tensor, size: Sequence[int], mode: str) -> Tensor:
    """Without anti-aliasing, as OpenCV does it; the image itself where nothing changes."""
    if tuple(size) == tuple(image.shape[-2:]):
        return image
    corners = None if mode == "nearest" else False
    return F.interpolate(image, size=tuple(size), mode=mode, align_corners=corners)


def _mean(images: Iterable[Tensor]) -> Tensor:
    """Summed up in float64; on the CPU where the device has no such numbers."""
    first, *others = images
    if not others:
        return first
    where = "cpu" if first.device.type == "mps" else first.device
    total = sum(other.to(where, torch.float64) for other in others)
    return ((first.to(where, torch.float64) + total) / (1 + len(others))).to(first)


def _refuse(key: str, message: str) -> None:
    raise OptionError([Fault(f"predictor.{key}", message)])
