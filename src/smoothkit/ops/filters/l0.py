"""Smoothing by L0 gradient minimisation."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft2, rfft2

from smoothkit.ops.filters._cyclic import diff_x, diff_y, divergence, laplacian_symbol
from smoothkit.ops.filters._planes import (
    from_planes,
    require_floats,
    require_positive,
    to_planes,
)

BETA_MAX = 1e5


def l0(image: np.ndarray, *, lam: float = 0.02, kappa: float = 2.0) -> np.ndarray:
    """The image with few places at which it changes.

    Args:
        image: (H, W) or (H, W, 3) float32 or float64 in [0, 1], any colour order. The work is done
            in its own precision.
        lam: weight of the number of non-zero gradients; larger is flatter.
        kappa: growth of the coupling per iteration, above 1; smaller is slower and more exact.

    Returns:
        As the image, not clipped. The border wraps around.

    Raises:
        ValueError: another shape or type, ``lam`` not above 0, ``kappa`` not above 1.

    Source: Xu et al., "Image Smoothing via L0 Gradient Minimization", SIGGRAPH Asia 2011.
    """
    require_positive(lam=lam)
    if not kappa > 1:
        raise ValueError(f"kappa: must be above 1, got {kappa}.")
    require_floats(image)
    planes = to_planes(image)
    size = planes.shape[1:]
    symbol = laplacian_symbol(*size).astype(planes.dtype)
    smooth = planes.copy()
    h, v, residual = (np.empty_like(planes) for _ in range(3))
    beta = 2 * lam
    while beta < BETA_MAX:
        diff_x(smooth, out=h)
        diff_y(smooth, out=v)
        _keep_small(h, v, lam / beta)
        # The published update solves for the image; this one solves for its change, which is the
        # same in exact arithmetic and a hundred times more precise in single precision.
        divergence(h, v, out=residual)
        residual *= -beta
        residual += planes
        residual -= smooth
        gain = 1 / (1 + beta * symbol)
        for plane, plane_residual in zip(smooth, residual, strict=True):
            change = rfft2(plane_residual)
            change *= gain
            plane += irfft2(change, s=size, overwrite_x=True)
        beta *= kappa
    return from_planes(smooth, image)


def _keep_small(h: np.ndarray, v: np.ndarray, threshold: float) -> None:
    """Zero the gradients whose squared length over all channels reaches the threshold."""
    energy = np.einsum("chw,chw->hw", h, h)
    energy += np.einsum("chw,chw->hw", v, v)
    is_small = energy < threshold
    h *= is_small
    v *= is_small
