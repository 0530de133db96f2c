"""Rolling guidance: a joint bilateral filter of the input, guided by its own last result.

Two variants are in use, which start and weigh differently; each function says how.

Source: Zhang et al., "Rolling Guidance Filter", ECCV 2014.
"""

from __future__ import annotations

import cv2
import numpy as np

from smoothkit.ops.filters._joint import (
    RangeWeight,
    gaussian_kernel,
    joint_average,
    squared_radius,
)
from smoothkit.ops.filters._planes import (
    from_planes,
    require_bytes,
    require_floats,
    require_positive,
    to_planes,
)


def rolling_guidance(
    image: np.ndarray,
    *,
    sigma_s: float = 3.0,
    sigma_r: float = 0.1,
    iterations: int = 4,
    precision: float = 0.08,
) -> np.ndarray:
    """The image without details smaller than ``sigma_s``, large edges restored (MATLAB version).

    The first guide is constant, so the first result is a Gaussian blur. Each channel is its own
    guide: grey gives the same as three equal channels.

    Args:
        image: (H, W) or (H, W, 3) float32 or float64 in [0, 1], any colour order. The work is done
            in its own precision.
        sigma_s: standard deviation in pixels of the window.
        sigma_r: standard deviation in units of the image of the range weights.
        iterations: joint filterings, the blur included.
        precision: spatial weights up to this, the centre's being 1, count as zero.

    Returns:
        As the image, within its range.

    Raises:
        ValueError: another shape or type, a parameter not above 0, ``precision`` not below 1.
    """
    require_floats(image)
    require_positive(sigma_s=sigma_s, sigma_r=sigma_r, iterations=iterations)
    if not 0 <= precision < 1:
        raise ValueError(f"precision: must be in [0, 1), got {precision}.")
    kernel = gaussian_kernel(int(3 * sigma_s), sigma_s)
    kernel[kernel <= precision] = 0
    kernel = _without_empty_margin(kernel)
    weight = _gaussian_weight(sigma_r)
    # Plane by plane, because one plane and its weights stay in the processor's cache.
    planes = [_roll(plane, kernel, weight, iterations) for plane in to_planes(image)]
    return from_planes(np.stack(planes), image)


def rolling_guidance_opencv(
    image: np.ndarray,
    *,
    d: int = 45,
    sigma_color: float = 150.0,
    sigma_space: float = 1000.0,
    iterations: int = 4,
) -> np.ndarray:
    """The filter of OpenCV's contributed modules, with the settings of the Easy2Hard scripts.

    The first guide is the image itself, all channels decide together, and each result is rounded to
    bytes before it guides the next.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        d: diameter in pixels of the round neighbourhood; 0 takes three times ``sigma_space``.
        sigma_color: in bytes, for the sum over the channels of absolute differences.
        sigma_space: in pixels.
        iterations: joint filterings.

    Returns:
        As the image.

    Raises:
        ValueError: another shape or type, a parameter not above 0.
    """
    require_bytes(image)
    require_positive(sigma_color=sigma_color, sigma_space=sigma_space, iterations=iterations)
    planes = to_planes(image.astype(np.float32))
    radius = max(d // 2 if d > 0 else round(1.5 * sigma_space), 1)
    kernel = gaussian_kernel(radius, sigma_space)
    kernel[squared_radius(radius) > radius**2] = 0
    of_distance = _gaussian_weight(sigma_color)

    def weight(difference: np.ndarray) -> np.ndarray:
        return of_distance(np.abs(difference).sum(0, keepdims=True))

    guide = planes
    for _ in range(iterations):
        guide = np.rint(joint_average(planes, guide, kernel, weight, border="reflect"))
    return from_planes(guide, image)


def _roll(
    plane: np.ndarray, kernel: np.ndarray, weight: RangeWeight, iterations: int
) -> np.ndarray:
    """(H, W) after all iterations on one channel."""
    guide = cv2.filter2D(plane, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    for _ in range(iterations - 1):
        guide = joint_average(plane[None], guide[None], kernel, weight, border="edge")[0]
    return guide


def _gaussian_weight(sigma: float) -> RangeWeight:
    factor = -1 / (2 * sigma**2)

    def weight(difference: np.ndarray) -> np.ndarray:
        np.square(difference, out=difference)
        difference *= factor
        weights: np.ndarray = np.exp(difference, out=difference)
        return weights

    return weight


def _without_empty_margin(kernel: np.ndarray) -> np.ndarray:
    """The kernel cut to the part whose centre row is not zero."""
    centre = len(kernel) // 2
    radius = centre - int(np.flatnonzero(kernel[centre])[0])
    inside = slice(centre - radius, centre + radius + 1)
    cut: np.ndarray = kernel[inside, inside]
    return cut
