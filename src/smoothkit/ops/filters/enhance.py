"""Classical enhancement: what makes an image look crisper, without a network."""

from __future__ import annotations

import cv2
import numpy as np

from smoothkit.ops.filters._planes import require_floats, require_positive
from smoothkit.ops.filters.bilateral import bilateral
from smoothkit.ops.filters.guided import guided


def unsharp(image: np.ndarray, *, sigma: float = 1.5, amount: float = 0.8) -> np.ndarray:
    """Unsharp masking: the image plus ``amount`` times its difference from a Gaussian blur.

    Args:
        image: (H, W) or (H, W, 3) float32 or float64 in [0, 1], any colour order.
        sigma: of the blur in pixels.
        amount: 0 changes nothing.

    Returns:
        As the image, cut to [0, 1].

    Raises:
        ValueError: another shape or type, ``sigma`` not above 0, ``amount`` negative.
    """
    require_floats(image)
    require_positive(sigma=sigma)
    _require_not_negative(amount=amount)
    blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return _stretched(image, blurred, amount)


def clahe(image: np.ndarray, *, clip_limit: float = 1.5, tiles: int = 8) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of the lightness.

    Args:
        image: as for ``unsharp``; three channels in RGB order.
        clip_limit: how often a level may stand in the histogram of a tile, as a multiple of the
            mean.
        tiles: in each direction.

    Returns:
        As the image, cut to [0, 1]; lightness goes through 16 bits.

    Raises:
        ValueError: another shape or type, or a setting not above 0.

    Source: Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994,
    as OpenCV has it.
    """
    require_floats(image)
    require_positive(clip_limit=clip_limit, tiles=tiles)
    equalise = cv2.createCLAHE(clip_limit, (int(tiles), int(tiles))).apply
    if image.ndim == 2:
        return (equalise(_levels(image)) / 65535.0).astype(image.dtype)
    lab = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2Lab)
    lab[..., 0] = equalise(_levels(lab[..., 0] / 100)) / np.float32(655.35)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1).astype(image.dtype)


def denoise_sharpen(
    image: np.ndarray,
    *,
    sigma_color: float = 0.04,
    sigma_space: float = 2.0,
    sigma: float = 1.5,
    amount: float = 0.8,
) -> np.ndarray:
    """A bilateral filter against noise, then unsharp masking.

    Args:
        image: as for ``unsharp``.
        sigma_color, sigma_space: of ``bilateral``.
        sigma, amount: of ``unsharp``.

    Returns:
        As the image, cut to [0, 1].

    Raises:
        ValueError: as ``bilateral`` and ``unsharp``.
    """
    smooth = bilateral(image, sigma_color=sigma_color, sigma_space=sigma_space)
    return unsharp(smooth, sigma=sigma, amount=amount)


def detail_boost(
    image: np.ndarray, *, size: int = 9, eps: float = 0.01, amount: float = 1.0
) -> np.ndarray:
    """The image plus ``amount`` times what the guided filter takes away, so that edges get no halo.

    Args:
        image: as for ``unsharp``.
        size, eps: of ``guided``.
        amount: 0 changes nothing.

    Returns:
        As the image, cut to [0, 1].

    Raises:
        ValueError: as ``guided``, or ``amount`` negative.

    Source: He et al., "Guided Image Filtering", TPAMI 2013, Sec. 4 (detail enhancement).
    """
    _require_not_negative(amount=amount)
    return _stretched(image, guided(image, size=size, eps=eps), amount)


def _stretched(image: np.ndarray, base: np.ndarray, amount: float) -> np.ndarray:
    result: np.ndarray = np.clip(image + amount * (image - base), 0, 1).astype(image.dtype)
    return result


def _levels(plane: np.ndarray) -> np.ndarray:
    levels: np.ndarray = np.rint(np.clip(plane, 0, 1) * 65535).astype(np.uint16)
    return levels


def _require_not_negative(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name}: must be 0 or more, got {value}.")
