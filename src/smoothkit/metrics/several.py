"""PSNR and SSIM of one result against several ground truths, as super-resolution measures them.

What depends on the result alone is computed once. Values agree with BasicSR's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

_WINDOW = cv2.getGaussianKernel(11, 1.5)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Of blue, green and red in [0, 1], as MATLAB converts to Y (ITU-R BT.601).
_LUMA, _LUMA_OFFSET = (24.966, 128.553, 65.481), 16.0


def psnr_ssim(
    result: np.ndarray,
    truths: Sequence[np.ndarray],
    *,
    crop_border: int = 0,
    test_y_channel: bool = False,
) -> list[tuple[float, float]]:
    """(PSNR in dB, SSIM) for each ground truth.

    Args:
        result, truths: (H, W, 3) or (H, W), uint8 or uint16, BGR.
        crop_border: pixels left out on all four sides.
        test_y_channel: measure the luminance of colour images.

    Raises:
        ValueError: images of different shapes, or of fewer than 11 pixels after cropping.
    """
    first = _Moments(_levels(result, crop_border, test_y_channel))
    values = []
    for truth in truths:
        if truth.shape != result.shape:
            raise ValueError(f"images need one shape, got {result.shape} and {truth.shape}.")
        second = _Moments(_levels(truth, crop_border, test_y_channel))
        values.append((_psnr(first.levels, second.levels), _ssim(first, second)))
    return values


def luma(image: np.ndarray) -> np.ndarray:
    """(H, W, 1) luminance in 0..255, not rounded, of (H, W, 3) BGR levels in 0..255."""
    levels: np.ndarray = image @ np.asarray(_LUMA) / 255 + _LUMA_OFFSET
    return levels[..., None]


class _Moments:
    """An image with its local means: of itself and of its square."""

    def __init__(self, levels: np.ndarray) -> None:
        self.levels = levels
        self.mean = _local_mean(levels)
        self.square = _local_mean(levels * levels)


def _levels(image: np.ndarray, border: int, is_y: bool) -> np.ndarray:
    """(H, W, C) float64 in 0..255."""
    height, width = image.shape[:2]
    if min(height, width) - 2 * border < len(_WINDOW):
        raise ValueError(
            f"crop_border: {border} leaves fewer than {len(_WINDOW)} pixels of {height}x{width}."
        )
    inside = image[border : height - border, border : width - border]
    levels = inside.astype(np.float64) * (255 / np.iinfo(image.dtype).max)
    levels = levels[..., None] if levels.ndim == 2 else levels
    return luma(levels) if is_y and levels.shape[2] == 3 else levels


def _local_mean(image: np.ndarray) -> np.ndarray:
    """Gaussian means where the whole window lies inside the image."""
    smooth = cv2.sepFilter2D(image, cv2.CV_64F, _WINDOW, _WINDOW)
    margin = len(_WINDOW) // 2
    return smooth[margin:-margin, margin:-margin]


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = cv2.norm(a, b, cv2.NORM_L2SQR) / a.size
    return 10 * math.log10(255**2 / error) if error else math.inf


def _ssim(a: _Moments, b: _Moments) -> float:
    product = a.mean * b.mean
    squares = a.mean**2 + b.mean**2
    covariance = _local_mean(a.levels * b.levels) - product
    variances = a.square + b.square - squares
    values = (2 * product + _C1) * (2 * covariance + _C2)
    return float((values / ((squares + _C1) * (variances + _C2))).mean())
