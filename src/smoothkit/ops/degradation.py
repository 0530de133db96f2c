"""Synthetic degradation of images, after Real-ESRGAN: what is drawn apart from how it is applied.

Images are (N, 3, H, W) float32 in [0, 1], RGB, on any device. One factor, one interpolation and one
kind of noise are drawn for a batch, kernels, strengths and qualities for each image. Source:
Real-ESRGAN (Wang et al., 2021); the functions that it shares with others are BasicSR's.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.core.seeds import preserved_random_state
from smoothkit.ops.precision import without_tf32

Interpolation = Literal["area", "bilinear", "bicubic"]
Size = tuple[int, int]

_KERNELS = (
    "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"
)  # fmt: skip
_INTERPOLATIONS: tuple[Interpolation, ...] = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class Blur:
    """Ranges of the kernels.

    Args:
        half_size: smallest and largest v of the sides 2v + 1.
        kernel_list, kernel_prob: kinds of BasicSR's mixed kernels, and their shares.
        sinc_prob: share of circular low-pass kernels in place of those.
        sinc_border: side from which their cutoff may be as low as pi / 5; below it is pi / 3.
        sigma: in pixels, of both axes.
        betag_range, betap_range: exponents of generalised Gaussians and plateaus.
        prob: share of batches that are blurred.
    """

    half_size: Sequence[int] = (1, 4)
    kernel_list: Sequence[str] = ("iso", "aniso")
    kernel_prob: Sequence[float] = (0.7, 0.3)
    sinc_prob: float = 0.01
    sinc_border: int = 13
    sigma: Sequence[float] = (0.1, 1.0)
    betag_range: Sequence[float] = (0.1, 2.0)
    betap_range: Sequence[float] = (0.1, 1.0)
    prob: float = 1.0

    def __post_init__(self) -> None:
        _check_range("half_size", self.half_size, least=1)
        for name in ("sigma", "betag_range", "betap_range"):
            _check_range(name, getattr(self, name), least=0)
        for name in ("sinc_prob", "prob"):
            _check_share(name, getattr(self, name))
        for kind in self.kernel_list:
            if kind not in _KERNELS:
                raise ValueError(f"kernel_list: must be of {', '.join(_KERNELS)}, got '{kind}'.")
        _check_shares("kernel_prob", self.kernel_prob, len(self.kernel_list))


@dataclass(frozen=True)
class Stage:
    """Ranges of one round of blur, resize, noise and JPEG.

    Args:
        blur: of the kernels.
        resize_prob: shares of enlarging, reducing and keeping the size.
        resize_range: smallest and largest factor.
        gaussian_noise_prob: share of Gaussian noise; the rest is Poisson noise.
        noise_range: standard deviation of Gaussian noise, in levels of 255.
        poisson_scale_range: strength of Poisson noise.
        gray_noise_prob: share of images whose noise has no colour.
        jpeg_range: quality of the compression.
    """

    blur: Blur = field(default_factory=Blur)
    resize_prob: Sequence[float] = (0.1, 0.85, 0.05)
    resize_range: Sequence[float] = (0.8, 1.2)
    gaussian_noise_prob: float = 0.5
    noise_range: Sequence[float] = (1, 12)
    poisson_scale_range: Sequence[float] = (0.05, 0.8)
    gray_noise_prob: float = 0.2
    jpeg_range: Sequence[float] = (75, 95)

    def __post_init__(self) -> None:
        _check_shares("resize_prob", self.resize_prob, 3)
        _check_range("resize_range", self.resize_range, above=0)
        if not self.resize_range[0] <= 1 <= self.resize_range[1]:
            raise ValueError(f"resize_range: must hold 1, got {list(self.resize_range)}.")
        _check_share("gaussian_noise_prob", self.gaussian_noise_prob)
        _check_share("gray_noise_prob", self.gray_noise_prob)
        for name in ("noise_range", "poisson_scale_range"):
            _check_range(name, getattr(self, name), least=0)
        _check_range("jpeg_range", self.jpeg_range, above=0)
        if self.jpeg_range[1] > 100:
            raise ValueError(f"jpeg_range: must be at most 100, got {list(self.jpeg_range)}.")


def _check_range(
    name: str, values: Sequence[float], *, least: float = -math.inf, above: float = -math.inf
) -> None:
    """Refuse what are not two numbers in order within a limit."""
    limit = f", both above {above}" if above > -math.inf else f", both {least} or more"
    is_range = len(values) == 2 and values[0] <= values[1]
    if not is_range or values[0] < least or values[0] <= above:
        raise ValueError(f"{name}: must be [smallest, largest]{limit}, got {list(values)}.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: must be in [0, 1], got {value}.")


def _check_shares(name: str, values: Sequence[float], count: int) -> None:
    if len(values) != count or min(values, default=0) < 0 or sum(values) <= 0:
        raise ValueError(f"{name}: must be {count} shares that are not all 0, got {list(values)}.")


@dataclass(frozen=True)
class StageDraw:
    """What was drawn for one round.

    Args:
        kernels: (N, k, k); None: no blur.
        factor: of the size.
        mode: of the interpolation.
        is_gaussian: kind of noise; else Poisson.
        noise_seed: of the noise, its strength and its colour.
        quality: (N,), of the JPEG compression.
    """

    kernels: Tensor | None
    factor: float
    mode: Interpolation
    is_gaussian: bool
    noise_seed: int
    quality: Tensor


@dataclass(frozen=True)
class EndDraw:
    """What was drawn for the end of two rounds.

    Args:
        mode: of the last interpolation.
        kernels: (N, k, k) low-pass kernels or pulses.
        is_jpeg_last: compress after the last resize; else before it.
    """

    mode: Interpolation
    kernels: Tensor
    is_jpeg_last: bool


class Draw(NamedTuple):
    """All of a batch: one or two rounds, and with two an end."""

    stages: list[StageDraw]
    end: EndDraw | None


def draw(
    stages: Sequence[Stage], count: int, rng: np.random.Generator, *, final_sinc_prob: float = 0.0
) -> Draw:
    """Draw for a batch of ``count`` images.

    Args:
        stages: one or two.
        final_sinc_prob: share of images that end with a low-pass, after two rounds.
    """
    drawn = [_draw_stage(stage, count, rng) for stage in stages]
    if len(stages) == 1:
        return Draw(drawn, None)
    with _seeded(int(rng.integers(2**32))):
        kernels = [draw_sinc(stages[1].blur, final_sinc_prob) for _ in range(count)]
    end = EndDraw(_mode(rng), _stacked(kernels), bool(rng.random() < 0.5))
    return Draw(drawn, end)


def _draw_stage(stage: Stage, count: int, rng: np.random.Generator) -> StageDraw:
    kernels = None
    if rng.random() < stage.blur.prob:
        with _seeded(int(rng.integers(2**32))):
            kernels = _stacked([draw_kernel(stage.blur) for _ in range(count)])
    shares = np.asarray(stage.resize_prob, float)
    low, high = stage.resize_range
    ranges = ((1.0, high), (low, 1.0), (1.0, 1.0))  # enlarge, reduce, keep
    lowest, highest = ranges[int(rng.choice(3, p=shares / shares.sum()))]
    worst, best = stage.jpeg_range
    return StageDraw(
        kernels=kernels,
        factor=float(rng.uniform(lowest, highest)),
        mode=_mode(rng),
        is_gaussian=bool(rng.random() < stage.gaussian_noise_prob),
        noise_seed=int(rng.integers(2**32)),
        quality=torch.from_numpy(rng.uniform(worst, best, count).astype(np.float32)),
    )


def draw_kernel(blur: Blur) -> np.ndarray:
    """A kernel, (k, k) float64 with the largest side of ``blur``, from the global generators.

    Random numbers are asked for in the order of Real-ESRGAN's data set.
    """
    side = 2 * random.choice(range(blur.half_size[0], blur.half_size[1] + 1)) + 1
    if np.random.uniform() < blur.sinc_prob:
        lowest = np.pi / 3 if side < blur.sinc_border else np.pi / 5
        low_pass = basicsr_part("data.degradations", "circular_lowpass_kernel")
        kernel = low_pass(np.random.uniform(lowest, np.pi), side, pad_to=False)
    else:
        kernel = basicsr_part("data.degradations", "random_mixed_kernels")(
            list(blur.kernel_list),
            list(blur.kernel_prob),
            side,
            list(blur.sigma),
            list(blur.sigma),
            [-math.pi, math.pi],
            list(blur.betag_range),
            list(blur.betap_range),
            noise_range=None,
        )
    return _padded(kernel, 2 * blur.half_size[1] + 1)


def draw_sinc(blur: Blur, prob: float) -> np.ndarray:
    """A low-pass of a side of ``blur``, or a pulse; (k, k), from the global generators."""
    largest = 2 * blur.half_size[1] + 1
    if np.random.uniform() < prob:
        side = 2 * random.choice(range(blur.half_size[0], blur.half_size[1] + 1)) + 1
        low_pass = basicsr_part("data.degradations", "circular_lowpass_kernel")
        return _padded(low_pass(np.random.uniform(np.pi / 3, np.pi), side), largest)
    return _padded(np.ones((1, 1)), largest)


# In TF32 the cosines of JPEG's blocks would move a pixel in fourteen by half a level and more.
@without_tf32()
def degrade(images: Tensor, drawn: Draw, ranges: Sequence[Stage], scale: int) -> Tensor:
    """Low-quality images on the 256 levels of a byte, (N, 3, H // scale, W // scale).

    Args:
        images: (N, 3, H, W).
        drawn: replayed as it is.
        ranges: of the noise, whose strengths come from ``noise_seed``.
        scale: by which results are smaller.
    """
    height, width = images.shape[-2] // scale, images.shape[-1] // scale
    first = drawn.stages[0]
    images = add_noise(
        resize(blur(images, first.kernels), first.factor, first.mode), first, ranges[0]
    )
    images = compress(images, first.quality)
    if drawn.end is None:
        return quantise(resize_to(images, (height, width), first.mode))
    second, end = drawn.stages[1], drawn.end
    size = (int(height * second.factor), int(width * second.factor))
    images = resize_to(blur(images, second.kernels), size, second.mode)
    images = add_noise(images, second, ranges[1])
    if end.is_jpeg_last:
        images = blur(resize_to(images, (height, width), end.mode), end.kernels)
        return quantise(compress(images, second.quality))
    images = compress(images, second.quality)
    return quantise(blur(resize_to(images, (height, width), end.mode), end.kernels))


def blur(images: Tensor, kernels: Tensor | None) -> Tensor:
    """Each image filtered with its kernel, borders mirrored."""
    if kernels is None:
        return images
    # Compression leaves another layout behind, of which the filter cannot make views.
    filtered: Tensor = basicsr_part("utils.img_process_util", "filter2D")(
        images.contiguous(), kernels.to(images)
    )
    return filtered


def resize(images: Tensor, factor: float, mode: Interpolation) -> Tensor:
    """Sides times ``factor``, rounded down, without anti-aliasing."""
    return F.interpolate(images, scale_factor=factor, mode=mode)


def resize_to(images: Tensor, size: Size, mode: Interpolation) -> Tensor:
    """Sides of ``size`` (height, width), without anti-aliasing."""
    return F.interpolate(images, size=size, mode=mode)


def add_noise(images: Tensor, drawn: StageDraw, ranges: Stage) -> Tensor:
    """Gaussian or Poisson noise; strength and colour are drawn for each image from the seed."""
    kind = "gaussian" if drawn.is_gaussian else "poisson"
    function = basicsr_part("data.degradations", f"random_add_{kind}_noise_pt")
    strengths = ranges.noise_range if drawn.is_gaussian else ranges.poisson_scale_range
    name = "sigma_range" if drawn.is_gaussian else "scale_range"
    with preserved_random_state(images.device):
        torch.manual_seed(drawn.noise_seed)
        noisy: Tensor = function(
            images,
            **{name: list(strengths)},
            gray_prob=ranges.gray_noise_prob,
            clip=True,
            rounds=False,
        )
    return noisy


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """The images after JPEG compression of the qualities (N,)."""
    jpeg = _jpeg(images.device)
    # BasicSR's own conversion asks the device for every single quality.
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).to(images) / 100
    height, width = images.shape[-2:]
    padded = F.pad(images.clamp(0, 1), (0, -width % 16, 0, -height % 16))
    planes = jpeg.compress(padded, factor=factor)
    result: Tensor = jpeg.decompress(*planes, *padded.shape[-2:], factor=factor)
    return result[..., :height, :width]


@lru_cache(maxsize=2)
def _jpeg(device: torch.device) -> Any:
    """Tables alone, which never change, but belong to all that BasicSR makes: copied to move."""
    shared = basicsr_part("utils.diffjpeg", "DiffJPEG")(differentiable=False)
    return copy.deepcopy(shared).to(device)


def quantise(images: Tensor) -> Tensor:
    """Rounded to the levels of a byte, in [0, 1]."""
    return (images * 255).round().clamp(0, 255) / 255


def _mode(rng: np.random.Generator) -> Interpolation:
    return _INTERPOLATIONS[rng.integers(len(_INTERPOLATIONS))]


def _padded(kernel: np.ndarray, side: int) -> np.ndarray:
    return np.pad(kernel, (side - kernel.shape[0]) // 2)


def _stacked(kernels: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(kernels).astype(np.float32))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generators of python and numpy seeded, and put back afterwards."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
