"""Geometry of training images: padding, rotation, the choice of a window, and resizing.

The reference rotates whole images and then cuts windows out. Here the window is chosen from the
rotated alpha alone, and of the colour images only the window is ever rotated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Size = tuple[int, int]

# A window is taken if its share of fractional pixels reaches this part of the whole image's.
_SHARE = 0.8
# How far a pixel spreads in cubic resampling, with one to spare for rounding.
_REACH = 3
# From this part of an image on, warping it whole is faster than mapping each pixel of a window.
_WORTH_A_WINDOW = 0.6


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: np.ndarray) -> np.ndarray:
        """What the window shows: a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Rotation:
    """A rotation about a point near the middle.

    Args:
        down, right: that point, from the pixel (H // 2, W // 2).
        angle: in degrees, counter-clockwise.
    """

    down: int
    right: int
    angle: float


def padded(image: np.ndarray, side: int) -> np.ndarray:
    """The image mirrored on all four sides until none is below ``side``.

    As in the reference, all of what is missing is added to each of the four sides, once for the
    height and once more for the width that then is; the edge pixel is not repeated.
    """
    for axis in (0, 1):
        margin = side - image.shape[axis]
        if margin > 0:
            image = cv2.copyMakeBorder(
                image, margin, margin, margin, margin, cv2.BORDER_REFLECT_101
            )
    return image


def covering(image: np.ndarray, size: Size, position: tuple[float, float]) -> np.ndarray:
    """The largest part of an image with the aspect ratio of ``size``, to the nearest pixel: a view.

    Args:
        size: height and width.
        position: of that part, down and across, each from 0 (first) to 1 (last).
    """
    height, width = image.shape[:2]
    part_height = min(height, max(1, round(width * size[0] / size[1])))
    part_width = min(width, max(1, round(height * size[1] / size[0])))
    top = round(position[0] * (height - part_height))
    left = round(position[1] * (width - part_width))
    return Window(top, left, part_height, part_width).of(image)


def resized(image: np.ndarray, size: Size) -> np.ndarray:
    """Bicubic, to (height, width)."""
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)


def enlarged_size(size: Size, side: int) -> Size | None:
    """What an image must grow to so that a square of ``side`` fits; None if it does already."""
    height, width = size
    ratio = max(side / width, side / height)
    return (int(height * ratio + 1), int(width * ratio + 1)) if ratio > 1 else None


def cut(image: np.ndarray, rotation: Rotation | None, window: Window) -> np.ndarray:
    """A window of an image that is to be rotated first; black comes in from outside.

    With the arithmetic of OpenCV 5 the bytes are those of rotating the whole image.
    """
    return window.of(image) if rotation is None else _warped(image, rotation, window)


def rotated_alpha(alpha: np.ndarray, rotation: Rotation | None) -> np.ndarray:
    """(H, W) alpha rotated; what is empty before and after is not computed."""
    if rotation is None:
        return alpha
    window = _support(alpha, rotation)
    if window is None:
        return np.zeros_like(alpha)
    whole = rotated(alpha, rotation) if _is_large(window, alpha) else np.zeros_like(alpha)
    if not _is_large(window, alpha):
        window.of(whole)[:] = _warped(alpha, rotation, window)
    return whole


def rotated(image: np.ndarray, rotation: Rotation | None) -> np.ndarray:
    """The whole image rotated, bicubic, at its own size; black comes in from outside."""
    if rotation is None:
        return image
    height, width = image.shape[:2]
    matrix = _matrix((height, width), rotation)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC)


def choose_window(
    alpha: np.ndarray, height: int, width: int, candidates: Sequence[float]
) -> Window:
    """A window around a pixel that is not empty, with its share of fractional pixels.

    One candidate after the other is tried; the first window with at least 0.8 times the whole
    image's share of fractional pixels is taken, else the last. Without any pixel that is not empty
    it is the middle of the image.

    Args:
        alpha: (H, W) uint8, not smaller than the window.
        height, width: of the window; an odd one loses a pixel, as in the reference.
        candidates: where in the row-major list of pixels with alpha > 0 the middle of the window is
            to be, one or more, at least 0 and below 1. It is moved inwards until the window fits.
    """
    halves = height // 2, width // 2
    pixels = _Listed(alpha)
    if not pixels.count:
        return _window_at((alpha.shape[0] // 2, alpha.shape[1] // 2), halves, alpha.shape)
    fractional = cv2.inRange(alpha, 1, 254)
    wanted = _SHARE * (cv2.countNonZero(fractional) / fractional.size)
    for share in candidates:
        window = _window_at(pixels[int(share * pixels.count)], halves, alpha.shape)
        inside = window.of(fractional)
        if cv2.countNonZero(inside) / max(inside.size, 1) >= wanted:
            break
    return window


class _Listed:
    """The pixels of an image that are not 0, in row-major order, without writing the list down."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        _, ones = cv2.threshold(image, 0, 1, cv2.THRESH_BINARY)
        self._ends = np.cumsum(cv2.reduce(ones, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S))
        self.count = int(self._ends[-1])

    def __getitem__(self, index: int) -> tuple[int, int]:
        """Row and column."""
        row = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[row - 1]) if row else 0
        return row, int(np.flatnonzero(self._image[row])[index - before])


def _window_at(middle: tuple[int, int], halves: tuple[int, int], size: Sequence[int]) -> Window:
    top, left = (
        min(max(centre, half), side - half) - half
        for centre, half, side in zip(middle, halves, size, strict=True)
    )
    return Window(top, left, 2 * halves[0], 2 * halves[1])


def _matrix(size: Size, rotation: Rotation) -> np.ndarray:
    """(2, 3), from the image to the rotated one."""
    centre = size[1] // 2 + rotation.right, size[0] // 2 + rotation.down
    return cv2.getRotationMatrix2D(centre, rotation.angle, 1.0)


def _warped(image: np.ndarray, rotation: Rotation, window: Window) -> np.ndarray:
    """A window of the rotated image."""
    back = cv2.invertAffineTransform(_matrix(image.shape[:2], rotation)).astype(np.float32)
    columns = np.arange(window.left, window.left + window.width, dtype=np.float32)
    rows = np.arange(window.top, window.top + window.height, dtype=np.float32)
    # In float32 and in this order: so OpenCV 5 computes where the pixels of a whole image lie.
    x, y = (m[0] * columns + (m[1] * rows + m[2])[:, None] for m in back)
    return cv2.remap(image, x, y, cv2.INTER_CUBIC)


def _support(alpha: np.ndarray, rotation: Rotation) -> Window | None:
    """Where the rotated alpha may be other than 0; None if nowhere."""
    left, top, width, height = cv2.boundingRect(alpha)
    across = np.array([left, left + width - 1])
    down = np.array([top, top + height - 1])
    corners = np.stack([*np.meshgrid(across, down), np.ones((2, 2))]).reshape(3, 4)
    x, y = _matrix((alpha.shape[0], alpha.shape[1]), rotation) @ corners
    first, last = np.floor((y.min(), x.min())) - _REACH, np.ceil((y.max(), x.max())) + _REACH + 1
    tops = np.clip(first, 0, alpha.shape).astype(int)
    ends = np.clip(last, 0, alpha.shape).astype(int)
    if not width or (ends <= tops).any():
        return None
    return Window(int(tops[0]), int(tops[1]), int(ends[0] - tops[0]), int(ends[1] - tops[1]))


def _is_large(window: Window, image: np.ndarray) -> bool:
    return window.height * window.width > _WORTH_A_WINDOW * image.size
