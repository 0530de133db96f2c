"""Foregrounds made locally smooth, which training images are then composed from.

A foreground that was cut out of a photograph carries that photograph's background wherever alpha is
below 1. The re-estimation minimises, for each colour channel,

    sum_i (a_i F_i - J_i)^2 + kappa sum_i (1 - a_i)^2 sum_{j next to i} (F_i - F_j)^2

with J = alpha times the given foreground: colours flow from where the foreground is seen to where
it is not. Opaque pixels among opaque ones stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from smoothkit.ops.tensor import to_tensor

Init = Literal["foreground", "product"]
Image = TypeVar("Image", np.ndarray, Tensor)

# Each takes as long as the one before it; 2^15 is more than the sides of images.
_MOST_SCALES = 16

# How one part of an image after another is worked on.
Run = Callable[[Callable[[int], Tensor], Iterable[int]], Iterable[Tensor]]

# On a CPU, images are cut into bands of rows that a cache holds, which overlap by the steps that
# are done on one before the next. Of the sizes tried at 1000 x 1500, on two cores of an EPYC 9004
# with 32 MB of third-level cache, these were the fastest.
_VALUES_PER_BAND = 600_000
_STEPS_PER_BAND = 20


@torch.no_grad()
def reestimate(
    foreground: Image,
    alpha: Image,
    *,
    kappa: float = 1.0,
    scales: int = 6,
    iterations: int = 20,
    init: Init = "foreground",
    product: Image | None = None,
) -> Image:
    """The locally smooth foreground, of the shape, type and device of the given one.

    Args:
        foreground: (H, W, 3) array or (3, H, W) tensor in [0, 1], float32 or float64, channels in
            any order. float32 deviates from float64 by about 1e-6.
        alpha: (H, W) array or (1, H, W) tensor in [0, 1].
        kappa: weight of smoothness, above 0.
        scales: 1 to 16; the coarsest is 2^(scales - 1) times smaller, though no side is below one
            pixel.
        iterations: at full size; every coarser scale does twice as many.
        init: what the coarsest scale starts from, the given foreground or J. Results hardly differ.
        product: J, where it is known better than by multiplying; in the layout of ``foreground``.

    Returns:
        Values around [0, 1], not clipped.

    Raises:
        ValueError: another shape or type, or a number out of range.

    Source: LSA-Matting (arXiv 2112.13809), published code, whose results these are. Differs: images
    below 32 pixels work too.
    """
    check_settings(kappa=kappa, scales=scales, iterations=iterations)
    if init not in ("foreground", "product"):
        raise ValueError(f"init: must be foreground or product, got {init!r}.")
    planes, matte = _planes(foreground), _planes(alpha)
    known = None if product is None else _planes(product)
    _check_images(planes, matte, known)
    matte = matte.to(planes)
    known = matte * planes if known is None else known.to(planes)

    result = planes if init == "foreground" else known
    with _threads() as (threads, run):
        for size, count in _schedule(planes.shape[1:], scales, iterations):
            scaled = [_resized(image, size) for image in (result, known, matte)]
            bands = _num_bands(scaled[0], threads)
            result = _in_bands(scaled, kappa=kappa, iterations=count, bands=bands, run=run)
    if isinstance(foreground, np.ndarray):
        return result.permute(1, 2, 0).contiguous().numpy()
    return result


def jacobi(
    start: Tensor, product: Tensor, alpha: Tensor, *, kappa: float, iterations: int
) -> Tensor:
    """Foreground after some Jacobi steps at one scale; each reads the one before it only.

        F_i <- (a_i J_i + kappa sum_j (q_i + q_j) F_j) / (a_i^2 + kappa sum_j (q_i + q_j))

    with q = (1 - a)^2 and j left, right, above and below, mirrored at the border without repeating
    it.

    Args:
        start, product: F and J, (3, H, W).
        alpha: (1, H, W).
    """
    height, width = alpha.shape[1:]
    # An axis of one pixel mirrors that pixel, as does one that holds it twice.
    shape = (max(height, 2), max(width, 2))
    own, weights = _weights(alpha.expand(1, *shape), kappa)
    data = (own * product.expand(-1, *shape)).flatten(1)

    # Rows lie behind one another, so that neighbours are at fixed distances; those beyond the end
    # of a row are some pixel or other with the weight 0. A row of zeros at either end.
    size, row = shape[0] * shape[1], shape[1]
    buffers = [data.new_empty(len(data), size + 2 * row) for _ in range(2)]
    for buffer in buffers:
        buffer[:, :row] = 0
        buffer[:, -row:] = 0
    results = [buffer[:, row:-row] for buffer in buffers]
    results[0].unflatten(1, shape).copy_(start.expand(-1, *shape))
    neighbours = [
        [buffer[:, row + distance :][:, :size] for distance in (-1, 1, -row, row)]
        for buffer in buffers
    ]
    terms = list(weights.flatten(2))
    for step in range(iterations):
        out, total = results[(step + 1) % 2], data
        for weight, neighbour in zip(terms, neighbours[step % 2], strict=True):
            total = torch.addcmul(total, weight, neighbour, out=out)
    result: Tensor = results[iterations % 2].unflatten(1, shape)[:, :height, :width]
    return result


def _in_bands(
    images: Sequence[Tensor], *, kappa: float, iterations: int, bands: int, run: Run
) -> Tensor:
    """``jacobi`` of start, product and alpha, of one band of rows after another."""
    current, product, alpha = images
    if bands == 1:
        return jacobi(current, product, alpha, kappa=kappa, iterations=iterations)
    height = current.shape[1]
    rows = -(-height // bands)
    for begin in range(0, iterations, _STEPS_PER_BAND):
        count = min(_STEPS_PER_BAND, iterations - begin)

        def part(top: int, current: Tensor = current, count: int = count) -> Tensor:
            # What lies beyond a cut is wrong by one more row after each step.
            window = slice(max(0, top - count), top + rows + count)
            cut = (image[:, window] for image in (current, product, alpha))
            result = jacobi(*cut, kappa=kappa, iterations=count)
            return result[:, top - window.start :][:, :rows]

        current = torch.cat(list(run(part, range(0, height, rows))), 1)
    return current


def _weights(alpha: Tensor, kappa: float) -> tuple[Tensor, Tensor]:
    """(1, H, W) weight of J, (4, 1, H, W) weights of the left, right, upper and lower neighbour."""
    doubts = (1 - alpha).square()
    across = kappa * (doubts[..., 1:] + doubts[..., :-1])
    along = kappa * (doubts[:, 1:] + doubts[:, :-1])
    weights = alpha.new_zeros(4, *alpha.shape)
    left, right, above, below = weights
    left[..., 1:], right[..., :-1] = across, across
    above[:, 1:], below[:, :-1] = along, along
    # The mirrored neighbour of a border pixel is its inner one, which so counts twice.
    left[..., -1] *= 2
    right[..., 0] *= 2
    above[:, -1] *= 2
    below[:, 0] *= 2
    denominator = alpha.square() + weights.sum(0)
    return alpha / denominator, weights.div_(denominator)


def _schedule(
    size: tuple[int, ...], scales: int, iterations: int
) -> Iterator[tuple[tuple[int, int], int]]:
    """Size and number of steps of each scale, coarsest first."""
    height, width = size
    for scale in reversed(range(scales)):
        yield (max(1, height >> scale), max(1, width >> scale)), iterations << scale


@contextmanager
def _threads() -> Iterator[tuple[int, Run]]:
    """As many threads as torch uses, each for tensor operations of its own; and a map over them.

    Left to itself torch splits every operation, and its threads wait for each other after each:
    thousands of times for an image, which takes ten times as long where another program has a core.
    """
    count = torch.get_num_threads()
    if count == 1:
        yield 1, map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield count, pool.map
    finally:
        torch.set_num_threads(count)


def _num_bands(image: Tensor, threads: int) -> int:
    """Parts that a cache holds, as many for each thread; 1 for what one holds as a whole."""
    bands = -(-image.numel() // _VALUES_PER_BAND)
    if bands == 1 or image.device.type != "cpu":
        return 1
    # Narrower ones would consist of overlap mostly.
    return max(1, min(-(-bands // threads) * threads, image.shape[1] // (2 * _STEPS_PER_BAND)))


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) to another size, linearly between pixel centres and without anti-aliasing."""
    if image.shape[1:] == size:
        return image
    if image.device.type != "cpu":
        return interpolate(image[None], size, mode="bilinear", align_corners=False)[0]
    # The same, as the reference has it and several times faster.
    result = image.new_empty(len(image), *size)
    for source, target in zip(image, result, strict=True):
        cv2.resize(source.numpy(), size[::-1], dst=target.numpy())
    return result


def _planes(image: Image) -> Tensor:
    # Threads do not take over that gradients are off.
    return to_tensor(image, "bgr") if isinstance(image, np.ndarray) else image.detach()


def check_settings(*, kappa: float, scales: int, iterations: int) -> None:
    """Refuse numbers out of range; arguments and error as for ``reestimate``."""
    if not 0 < kappa < math.inf:
        raise ValueError(f"kappa: must be above 0 and finite, got {kappa}.")
    if not 1 <= scales <= _MOST_SCALES:
        raise ValueError(f"scales: must be from 1 to {_MOST_SCALES}, got {scales}.")
    if iterations < 1:
        raise ValueError(f"iterations: must be at least 1, got {iterations}.")


def _check_images(foreground: Tensor, alpha: Tensor, product: Tensor | None) -> None:
    shape = tuple(foreground.shape)
    if len(shape) != 3 or shape[0] != 3 or 0 in shape:
        raise ValueError(f"foreground: must have three channels, got {shape} (channels first).")
    if foreground.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"foreground: must be float32 or float64, got {foreground.dtype}.")
    if not alpha.is_floating_point() or alpha.shape != (1, *shape[1:]):
        raise ValueError(
            f"alpha: must be floats of one channel and the foreground's size {shape[1:]}, "
            f"got {tuple(alpha.shape)} (channels first) {alpha.dtype}."
        )
    if product is not None and product.shape != shape:
        raise ValueError(f"product: must be as the foreground, got {tuple(product.shape)}.")
