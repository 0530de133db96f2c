"""Smoothing on a graph of pixels: the static and dynamic guidance filter, and plain WLS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from smoothkit.ops.filters._cielab import to_lab
from smoothkit.ops.filters._lattice import EIGHT, FOUR, edge_ends, solve_lattice
from smoothkit.ops.filters._planes import (
    from_planes,
    require_floats,
    require_positive,
    to_planes,
)

_LEAST_WEIGHT = 1e-5

Steps = Sequence[tuple[int, int]]
Weights = dict[tuple[int, int], np.ndarray]


def sd(
    image: np.ndarray,
    *,
    lam: float = 30.0,
    mu: float = 50.0,
    nu: float = 400.0,
    iterations: int = 10,
    neighbours: Literal[4, 8] = 8,
) -> np.ndarray:
    """The image guided by itself (static) and by its own last result (dynamic).

    Args:
        image: (H, W) or (H, W, 3) RGB, float32 or float64 in [0, 1].
        lam: smoothness; larger removes more.
        mu: how sharply weights fall with the difference of neighbours in the image.
        nu: the same in the last result.
        iterations: linear systems solved.
        neighbours: of each pixel; diagonal ones count as much as the others.

    Returns:
        As the image; computed in float64, within the image's range.

    Raises:
        ValueError: another shape or type, a parameter not above 0, or other ``neighbours``.

    Source: Ham et al., "Robust Guided Image Filtering Using Nonconvex Potentials", TPAMI 2018. The
    first result is constant, differences are taken in L*a*b* and scaled to [0, 1] over the image.
    """
    require_positive(lam=lam, mu=mu, nu=nu, iterations=iterations)
    steps = _steps(neighbours)
    require_floats(image)
    planes = to_planes(image).astype(np.float64)
    static = _weights(planes, mu, steps)
    smooth = np.ones_like(planes)
    for _ in range(iterations):
        dynamic = _weights(smooth, nu, steps)
        smooth = solve_lattice({s: lam * static[s] * dynamic[s] for s in steps}, planes)
    return from_planes(smooth, image)


def wls(
    image: np.ndarray, *, lam: float = 1000.0, mu: float = 400.0, neighbours: Literal[4, 8] = 8
) -> np.ndarray:
    """Weighted least squares: ``sd`` with the static guidance alone, in one step.

    Not the WLS on log luminance of Farbman et al. Arguments, result and errors are those of ``sd``.

    Source: the tool published with the SD filter (Ham et al., TPAMI 2018).
    """
    require_positive(lam=lam, mu=mu)
    steps = _steps(neighbours)
    require_floats(image)
    planes = to_planes(image).astype(np.float64)
    weights = _weights(planes, mu, steps)
    return from_planes(solve_lattice({s: lam * weights[s] for s in steps}, planes), image)


def _steps(neighbours: int) -> Steps:
    if neighbours not in (4, 8):
        raise ValueError(f"neighbours: must be 4 or 8, got {neighbours}.")
    return FOUR if neighbours == 4 else EIGHT


def _weights(planes: np.ndarray, sharpness: float, steps: Steps) -> Weights:
    """exp(-sharpness d) of each edge, d the squared difference scaled to [0, 1] over all edges."""
    values = to_lab(planes) if len(planes) == 3 else planes
    distances = {}
    for step in steps:
        first, second = edge_ends(values, step)
        distances[step] = np.square(second - first).sum(0)
    every = [d for d in distances.values() if d.size]
    least = min((d.min() for d in every), default=0.0)
    spread = max((d.max() for d in every), default=0.0) - least
    if spread > 0:
        distances = {step: (d - least) / spread for step, d in distances.items()}
    return {step: np.exp(-sharpness * d) + _LEAST_WEIGHT for step, d in distances.items()}
