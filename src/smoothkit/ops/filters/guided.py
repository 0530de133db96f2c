"""The guided filter, each image its own guide."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from smoothkit.ops.filters._planes import (
    from_planes,
    require_floats,
    require_positive,
    to_planes,
)


def guided(image: np.ndarray, *, size: int = 5, eps: float = 0.01) -> np.ndarray:
    """The image as a local linear function of its own colours, averaged over windows.

    Args:
        image: (H, W) or (H, W, 3) float32 or float64 in [0, 1], any colour order.
        size: side in pixels of the square windows; odd.
        eps: variance that counts as an edge, in squared units of the image.

    Returns:
        As the image; computed in float64.

    Raises:
        ValueError: another shape or type, ``size`` even, a parameter not above 0.

    Source: He et al., "Guided Image Filtering", TPAMI 2013, with the defaults that MATLAB documents
    for ``imguidedfilter`` (borders replicated); not compared with it.
    """
    require_positive(size=size, eps=eps)
    if size % 2 == 0:
        raise ValueError(f"size: must be odd, got {size}.")
    require_floats(image)
    planes = to_planes(image).astype(np.float64)
    mean = _box(planes, size)
    products = planes[:, None] * planes[None]
    covariance = _box(products, size) - mean[:, None] * mean[None]
    # Per window: coefficients (C, C) with (covariance + eps) coefficients = covariance.
    matrix = np.moveaxis(covariance, (0, 1), (-2, -1))
    ridge = matrix + eps * np.eye(len(planes))
    coefficients = np.moveaxis(np.linalg.solve(ridge, matrix), (-2, -1), (0, 1))
    offset = mean - np.einsum("ijhw,ihw->jhw", coefficients, mean)
    smooth = np.einsum("ijhw,ihw->jhw", _box(coefficients, size), planes) + _box(offset, size)
    return from_planes(smooth, image)


def _box(planes: np.ndarray, size: int) -> np.ndarray:
    """Mean over windows in the last two axes, replicated beyond the border."""
    averaged: np.ndarray = uniform_filter(planes, size, mode="nearest", axes=(-2, -1))
    return averaged
