"""Averages of one image whose weights depend on another: the core of the bilateral family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

RangeWeight = Callable[[np.ndarray], np.ndarray]
Border = Literal["edge", "reflect"]


def joint_average(
    planes: np.ndarray,
    guide: np.ndarray,
    kernel: np.ndarray,
    range_weight: RangeWeight,
    *,
    border: Border,
) -> np.ndarray:
    """Weighted mean of ``planes`` around each pixel.

    Args:
        planes: (C, H, W) what is averaged.
        guide: (G, H, W) what the range weights look at.
        kernel: (2r+1, 2r+1) spatial weights, symmetric about the centre; zeros cost nothing.
        range_weight: differences of the guide between two pixels, (G, h, w) that it may overwrite,
            to weights (C, h, w) or (1, h, w); even, and 1 where the difference is zero.
        border: what lies beyond it, a mode of ``numpy.pad``.

    Returns:
        (C, H, W).
    """
    radius = len(kernel) // 2
    margins = ((0, 0), (radius, radius), (radius, radius))
    size = planes.shape[1:]
    planes, guide = np.pad(planes, margins, border), np.pad(guide, margins, border)
    total = planes * kernel[radius, radius]
    norm = np.full_like(total, kernel[radius, radius])
    # A pair of pixels has one weight, which serves both: half of the window is enough.
    for here, there, spatial in _pairs(kernel, size):
        weight = range_weight(guide[there] - guide[here])
        weight *= spatial
        total[here] += weight * planes[there]
        total[there] += weight * planes[here]
        norm[here] += weight
        norm[there] += weight
    inside = np.s_[:, radius : radius + size[0], radius : radius + size[1]]
    average: np.ndarray = total[inside] / norm[inside]
    return average


def gaussian_kernel(radius: int, sigma: float) -> np.ndarray:
    """(2r+1, 2r+1) float64 Gaussian with 1 at its centre."""
    return np.exp(-squared_radius(radius) / (2 * sigma**2))


def squared_radius(radius: int) -> np.ndarray:
    """(2r+1, 2r+1) squared distance from the centre."""
    axis = np.arange(-radius, radius + 1) ** 2
    return axis[:, None] + axis


Window = tuple[slice, slice, slice]


def _pairs(kernel: np.ndarray, size: tuple[int, int]) -> Iterator[tuple[Window, Window, float]]:
    """Windows of all pixels and of their neighbours at one offset, and the spatial weight.

    The windows hold every pair with at least one end inside the margins.
    """
    radius = len(kernel) // 2
    for dy, dx in _half_plane(radius):
        spatial = float(kernel[radius + dy, radius + dx])
        if spatial:
            rows = slice(radius - dy, radius + size[0])
            columns = slice(radius - max(dx, 0), radius + size[1] + max(-dx, 0))
            here = (slice(None), rows, columns)
            yield here, (slice(None), _moved(rows, dy), _moved(columns, dx)), spatial


def _half_plane(radius: int) -> Iterator[tuple[int, int]]:
    """One of each two opposite offsets within the square, without the centre."""
    for dy in range(radius + 1):
        for dx in range(-radius if dy else 1, radius + 1):
            yield dy, dx


def _moved(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)
