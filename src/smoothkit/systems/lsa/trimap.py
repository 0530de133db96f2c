"""Trimaps: made from alpha mattes and rough masks, and read as users have them.

A trimap is (H, W) uint8: 0 background, 128 unknown, 255 foreground.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.systems.lsa.discs import near
from smoothkit.systems.lsa.mattes import plane_of, to_8_bits

Levels = Literal["refuse", "snap"]

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
LEAST_RADIUS, LARGEST_RADIUS = 1, 24

# What the reference takes for known when it tests: below the first, above the second.
_SURE_BACKGROUND, _SURE_FOREGROUND = 50, 200
# Levels of a mask from here on are inside.
_INSIDE = 128


def sample_radii(
    rng: np.random.Generator, low: int = LEAST_RADIUS, high: int = LARGEST_RADIUS
) -> tuple[int, int]:
    """Radii for the background and for the foreground, in pixels, each from ``low`` to ``high``."""
    background, foreground = rng.integers(low, high + 1, 2)
    return int(background), int(foreground)


def make_trimap(
    alpha: np.ndarray, background_radius: float, foreground_radius: float
) -> np.ndarray:
    """The trimap whose unknown pixels lie near fractional ones.

    A pixel is unknown if the Euclidean distance to the nearest pixel with 0 < alpha < 255 is at
    most the foreground's radius where alpha is 255, the background's elsewhere. Without fractional
    pixels there are no unknown ones.

    Args:
        alpha: (H, W) uint8.
        background_radius, foreground_radius: in pixels.

    Raises:
        ValueError: ``alpha`` is of another kind.

    Source: LSA-Matting (arXiv 2112.13809), published code. Differs: a distance equal to the radius
    is inside whatever the OpenCV; there, rounding lost some of these pixels.
    """
    _check_plane(alpha, "alpha")
    fractional = cv2.inRange(alpha, 1, 254)
    trimap: np.ndarray = cv2.inRange(alpha, 255, 255)
    is_unknown = np.where(
        trimap > 0, near(fractional, foreground_radius), near(fractional, background_radius)
    )
    np.copyto(trimap, UNKNOWN, where=is_unknown)
    return trimap


def trimap_from_mask(mask: np.ndarray, erode: float, dilate: float) -> np.ndarray:
    """The trimap of a rough mask: sure inside, sure outside, and unknown along the outline.

    The outline does not follow the border of the image: an object that is cut off there stays sure.

    Args:
        mask: (H, W) uint8; 128 and more is inside.
        erode: pixels within this distance of the outside are not sure to be inside.
        dilate: pixels within this distance of the inside are not sure to be outside.

    Raises:
        ValueError: ``mask`` is of another kind.
    """
    _check_plane(mask, "mask")
    inside = cv2.inRange(mask, _INSIDE, 255)
    outside = cv2.bitwise_not(inside)
    trimap: np.ndarray = inside.copy()
    if erode > 0:
        np.copyto(trimap, UNKNOWN, where=near(outside, erode) & (inside > 0))
    if dilate > 0:
        np.copyto(trimap, UNKNOWN, where=near(inside, dilate) & (outside > 0))
    return trimap


def checked_trimap(image: np.ndarray, where: str, *, levels: Levels = "refuse") -> np.ndarray:
    """A trimap as a file has it, as (H, W) uint8 of 0, 128 and 255 alone.

    Args:
        image: (H, W), or (H, W, 3 or 4) with equal colour channels; uint8, or uint16, of which the
            upper 8 bits count.
        where: the file, for messages.
        levels: what to do with other levels: refuse them, or take those below 50 as background,
            those above 200 as foreground and the rest as unknown, as the reference does in testing.

    Raises:
        DataError: colours, transparency, or levels that are refused.
    """
    plane = plane_of(image, where)
    refuse_labels(plane, where)
    trimap = to_8_bits(plane)
    if levels == "snap":
        return cv2.LUT(trimap, _snapping_table(_snapped_level))
    counts = np.bincount(trimap.ravel(), minlength=256)
    counts[[BACKGROUND, UNKNOWN, FOREGROUND]] = 0
    if others := np.flatnonzero(counts).tolist():
        shown = ", ".join(map(str, others[:5])) + (", ..." if len(others) > 5 else "")
        raise DataError(
            f"{where}: must have no levels but 0, 128 and 255, got {shown} in {counts.sum()} "
            "pixels. Mend it, or have such levels snapped ('levels: snap'; --snap of a script)."
        )
    return trimap


def refuse_labels(plane: np.ndarray, where: str, meant: str = "0, 128 and 255") -> None:
    """Refuse numbers of classes in place of grey levels, which would all be background.

    Args:
        plane: (H, W), of any unsigned type.
        where: the file, for messages.
        meant: what belongs there.

    Raises:
        DataError: there are no levels above 2, but some above 0.
    """
    if 0 < plane.max(initial=0) <= 2:
        shown = [str(level) for level in np.unique(plane)]
        listed = " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
        raise DataError(
            f"{where}: has levels {listed} alone, as labels have. Write {meant} in their place."
        )


def snapped_alpha(alpha: np.ndarray, threshold: int) -> np.ndarray:
    """Alpha (H, W) uint8 with levels at most ``threshold`` from an end moved there.

    JPEG and cubic resampling leave such levels in what was opaque or empty, and ``make_trimap``
    takes them for fractional.
    """
    if threshold < 1:
        return alpha
    return cv2.LUT(
        alpha,
        _snapping_table(lambda v: 0 if v <= threshold else 255 if v >= 255 - threshold else v),
    )


def has_unknown(trimap: np.ndarray) -> bool:
    """True if a network has anything to find."""
    return bool((trimap == UNKNOWN).any())


def is_all_unknown(trimap: np.ndarray) -> bool:
    """True if the trimap says nothing."""
    return bool((trimap == UNKNOWN).all())


def use_of(trimap: np.ndarray) -> str | None:
    """Why a trimap is seldom what was meant, in words that follow "has"; None for a usual one."""
    if not has_unknown(trimap):
        return "no unknown pixel, so there is nothing to find"
    return "unknown pixels only, so it says nothing" if is_all_unknown(trimap) else None


def looks_inverted(trimap: np.ndarray, alpha: np.ndarray) -> bool:
    """True if foreground and background seem to be interchanged.

    Args:
        trimap: (H, W) uint8.
        alpha: (H, W), the true one, uint8 or uint16.

    Returns:
        Whether the larger part of what the trimap calls known is on the other side of one half.
    """
    is_solid = alpha > np.iinfo(alpha.dtype).max // 2
    foreground, background = trimap == FOREGROUND, trimap == BACKGROUND
    wrong = np.count_nonzero(foreground & ~is_solid) + np.count_nonzero(background & is_solid)
    known = np.count_nonzero(foreground) + np.count_nonzero(background)
    return bool(2 * wrong > known)


def _snapped_level(level: int) -> int:
    if level < _SURE_BACKGROUND:
        return BACKGROUND
    return FOREGROUND if level > _SURE_FOREGROUND else UNKNOWN


def _snapping_table(snapped: Callable[[int], int]) -> np.ndarray:
    return np.array([snapped(level) for level in range(256)], np.uint8)


def _check_plane(image: np.ndarray, name: str) -> None:
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"{name}: must be (H, W) uint8, got {image.shape} {image.dtype}.")
