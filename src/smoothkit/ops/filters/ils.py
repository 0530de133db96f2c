"""Iterative least squares: non-convex smoothing by a few divisions in the Fourier domain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft2, rfft2

from smoothkit.ops.filters._cyclic import diff_x, diff_y, divergence, laplacian_symbol
from smoothkit.ops.filters._planes import (
    from_planes,
    require_floats,
    require_positive,
    to_planes,
)


def ils(
    image: np.ndarray, *, lam: float = 1.0, p: float = 0.8, eps: float = 1e-4, iterations: int = 4
) -> np.ndarray:
    """The image smoothed under a Charbonnier penalty on its gradients.

    Args:
        image: (H, W) or (H, W, 3) float32 or float64 in [0, 1], any colour order. The work is done
            in its own precision.
        lam: smoothness; larger removes more.
        p: exponent of the penalty, above 0 and at most 2; smaller keeps edges sharper.
        eps: squared gradient below which the penalty is quadratic.
        iterations: divisions in the Fourier domain.

    Returns:
        As the image, not clipped. The border wraps around.

    Raises:
        ValueError: another shape or type, or a parameter out of range.

    Source: Liu et al., "Real-time Image Smoothing via Iterative Least Squares", ACM TOG 2020.
    """
    require_positive(lam=lam, p=p, eps=eps, iterations=iterations)
    if p > 2:
        raise ValueError(f"p: must be at most 2, got {p}.")
    curvature = p * eps ** (p / 2 - 1)

    def slope(z: np.ndarray) -> np.ndarray:
        pull: np.ndarray = p * z * (z * z + eps) ** (p / 2 - 1)
        return pull

    return _smoothed(image, lam, curvature, slope, iterations)


def ils_welsch(
    image: np.ndarray, *, lam: float = 30.0, gamma: float = 10 / 255, iterations: int = 10
) -> np.ndarray:
    """The image smoothed under Welsch's penalty, which leaves gradients far above ``gamma`` alone.

    Args:
        image, lam, iterations: as for ``ils``.
        gamma: in units of the image.

    Returns, raises, source: as for ``ils``.
    """
    require_positive(lam=lam, gamma=gamma, iterations=iterations)

    def slope(z: np.ndarray) -> np.ndarray:
        pull: np.ndarray = 2 * z * np.exp(z * z * (-1 / (2 * gamma**2)))
        return pull

    return _smoothed(image, lam, 2.0, slope, iterations)


def _smoothed(
    image: np.ndarray,
    lam: float,
    curvature: float,
    slope: Callable[[np.ndarray], np.ndarray],
    iterations: int,
) -> np.ndarray:
    """Minimise by bounding the penalty, of the given ``slope``, by a parabola of ``curvature``.

    Each step starts from the spectrum of the last result, not of the image: the published update,
    written for the change of the result.
    """
    require_floats(image)
    smooth = to_planes(image).copy()
    size = smooth.shape[1:]
    gain = lam / 2 / (1 + curvature * lam / 2 * laplacian_symbol(*size))
    gain = gain.astype(smooth.dtype)
    for _ in range(iterations):
        # The parabola's gradient at the last result is the penalty's own, so what is left to
        # solve for is minus that gradient, smoothed.
        force = divergence(slope(diff_x(smooth)), slope(diff_y(smooth)))
        smooth -= irfft2(gain * rfft2(force), s=size)
    return from_planes(smooth, image)
