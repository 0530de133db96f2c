"""Errors of alpha mattes, over the pixels that a mask names.

All take ``pred`` and ``gt``, (H, W) float32 or float64 of one type, nominally in [0, 1], and
``where``, (H, W) bool; they compute in float64.

Source: Rhemann et al., "A perceptually motivated online benchmark for image matting", CVPR 2009, as
the MATLAB scripts of Adobe's Composition-1k and their Python ports have it.
"""

from __future__ import annotations

import cv2
import numpy as np

from smoothkit.systems.lsa.connectivity import joined_thresholds

_SIGMA = 1.4
_THOUSAND = 1000.0
# Differences from the last joined threshold below this count as none.
_LEAST_GAP = 0.15


def sum_of_differences(pred: np.ndarray, gt: np.ndarray, where: np.ndarray) -> float:
    """Sum of absolute differences, in thousands."""
    return float(np.abs(_differences(pred, gt, where)).sum() / _THOUSAND)


def squared_error(pred: np.ndarray, gt: np.ndarray, where: np.ndarray, count: int) -> float:
    """Sum of squared differences divided by ``count``."""
    return _sum_of_squares(_differences(pred, gt, where)) / count


def gradient_error(
    pred: np.ndarray, gt: np.ndarray, where: np.ndarray, *, half_size: int = 4
) -> float:
    """Sum of squared differences of the gradients' magnitudes, in thousands.

    Gradients are those of a Gaussian of sigma 1.4, its kernel cut off ``half_size`` pixels from the
    centre and of unit norm; borders are replicated.
    """
    box = _around(where, half_size)
    smooth, slope = _kernels(half_size)
    first, second = (_magnitude(image[box], smooth, slope) for image in (pred, gt))
    return _sum_of_squares((first - second)[where[box]]) / _THOUSAND


def connectivity_error(
    pred: np.ndarray, gt: np.ndarray, where: np.ndarray, *, is_empty_joined: bool = False
) -> float:
    """Sum of differences in how well pixels are joined to the object, in thousands.

    Args:
        pred, gt, where: as above.
        is_empty_joined: see ``joined_thresholds``.
    """
    joined = joined_thresholds(pred, gt, where, is_empty_joined=is_empty_joined)
    gaps = [image[where] - joined for image in (pred, gt)]
    for gap in gaps:
        gap *= gap >= _LEAST_GAP
    # In place: fresh memory for each step would take as long as the arithmetic.
    difference, other = gaps
    difference -= other
    return float(np.abs(difference, out=difference).sum() / _THOUSAND)


def _differences(pred: np.ndarray, gt: np.ndarray, where: np.ndarray) -> np.ndarray:
    differences: np.ndarray = np.subtract(pred[where], gt[where], dtype=np.float64)
    return differences


def _sum_of_squares(values: np.ndarray) -> float:
    return float(values @ values)


def _around(where: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The part of the image that the gradients at the pixels of ``where`` depend on."""
    left, top, width, height = cv2.boundingRect(where.view(np.uint8))
    rows = slice(max(top - margin, 0), top + height + margin)
    return rows, slice(max(left - margin, 0), left + width + margin)


def _kernels(half_size: int) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian and its derivative; their outer product has unit norm."""
    x = np.arange(-half_size, half_size + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * _SIGMA**2))
    slope = x * smooth
    return smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)


def _magnitude(image: np.ndarray, smooth: np.ndarray, slope: np.ndarray) -> np.ndarray:
    image = image.astype(np.float64)
    across, down = (
        cv2.sepFilter2D(image, cv2.CV_64F, *pair, borderType=cv2.BORDER_REPLICATE)
        for pair in ((slope, smooth), (smooth, slope))
    )
    return cv2.magnitude(across, down)
