"""Bilateral filters as OpenCV defines them."""

from __future__ import annotations

import cv2
import numpy as np

from smoothkit.ops.filters._planes import require_bytes, require_floats, require_positive


def bilateral(
    image: np.ndarray, *, sigma_color: float = 0.1, sigma_space: float = 6.0, d: int = 0
) -> np.ndarray:
    """Means over neighbours that are near in place and in colour.

    Args:
        image: (H, W) or (H, W, 3) float32 or float64 in [0, 1], any colour order.
        sigma_color: in units of the image. The colour distance is the sum over the channels of
            absolute differences, so grey images need a third of what colour images need.
        sigma_space: in pixels.
        d: diameter of the round neighbourhood; 0 takes three times ``sigma_space``.

    Returns:
        As the image; computed in float32 with weights from OpenCV's table of the exponential.

    Raises:
        ValueError: another shape or type, a parameter not above 0.
    """
    require_floats(image)
    _check(sigma_color, sigma_space, d)
    pixels = np.ascontiguousarray(image, dtype=np.float32)
    smooth = cv2.bilateralFilter(pixels, d, sigma_color, sigma_space)
    return smooth.astype(image.dtype, copy=False)


def bilateral_opencv(
    image: np.ndarray, *, d: int = 45, sigma_color: float = 200.0, sigma_space: float = 1000
) -> np.ndarray:
    """The 8-bit filter of the Easy2Hard scripts, with their settings as defaults.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        d, sigma_color, sigma_space: as for ``bilateral``, but ``sigma_color`` in bytes.

    Returns:
        As the image.

    Raises:
        ValueError: another shape or type, a parameter not above 0.
    """
    require_bytes(image)
    _check(sigma_color, sigma_space, d)
    return cv2.bilateralFilter(np.ascontiguousarray(image), d, sigma_color, sigma_space)


def _check(sigma_color: float, sigma_space: float, d: int) -> None:
    require_positive(sigma_color=sigma_color, sigma_space=sigma_space)
    if d < 0:
        raise ValueError(f"d: must be 0 or a diameter in pixels, got {d}.")
