"""Paired augmentation for smoothing: one crop, flip and rotation, and one colour jitter.

``sample`` draws, ``crop``, ``apply_geometry`` and ``apply_color`` apply, so recorded parameters
replay exactly.

Source: the training pipeline of Easy2Hard (IEEE TNNLS 2021). Differs: a crop may touch the last
row and column and is clamped to the image, and colour is jittered in the right channel order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from smoothkit.ops.jitter import Order, Step, jitter

Border = Literal["zero", "reflect"]

MAX_ANGLE = 45
MAX_HUE = 0.3
FACTOR_RANGE = (0.3, 1.7)

_BORDERS = {"zero": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101}


@dataclass(frozen=True)
class Params:
    """One draw.

    Args:
        height, width: of the crop, before it is resized to the patch.
        row, col: of its first pixel.
        is_flipped: left to right.
        angle: in degrees, counter-clockwise.
        hue: shift in turns, -0.5 to 0.5.
        contrast, brightness: factors; 1 changes nothing.
    """

    height: int
    width: int
    row: int
    col: int
    is_flipped: bool = False
    angle: float = 0.0
    hue: float = 0.0
    contrast: float = 1.0
    brightness: float = 1.0


def sample(rng: np.random.Generator, height: int, width: int, patch_size: int) -> Params:
    """A draw of everything: crop side within a quarter of the patch, flip, rotation, colour.

    Args:
        height, width: of the image; both at least ``patch_size``.
    """
    margin = patch_size // 4
    crop_height, crop_width = rng.integers(patch_size - margin, patch_size + margin + 1, 2)
    where = sample_crop(rng, height, width, int(crop_height), int(crop_width))
    return Params(
        where.height,
        where.width,
        where.row,
        where.col,
        is_flipped=bool(rng.random() > 0.5),
        angle=float(rng.integers(-MAX_ANGLE, MAX_ANGLE)),
        hue=float(rng.uniform(-MAX_HUE, MAX_HUE)),
        contrast=float(rng.uniform(*FACTOR_RANGE)),
        brightness=float(rng.uniform(*FACTOR_RANGE)),
    )


def sample_crop(
    rng: np.random.Generator, height: int, width: int, crop_height: int, crop_width: int
) -> Params:
    """A draw of the position alone; the crop is clamped to the image."""
    crop_height, crop_width = min(crop_height, height), min(crop_width, width)
    row = int(rng.integers(height - crop_height + 1))
    col = int(rng.integers(width - crop_width + 1))
    return Params(crop_height, crop_width, row, col)


def crop(image: np.ndarray, params: Params) -> np.ndarray:
    """The window of ``params``: a view of ``image``."""
    rows = slice(params.row, params.row + params.height)
    return image[rows, params.col : params.col + params.width]


def apply_geometry(
    patch: np.ndarray, params: Params, patch_size: int, *, border: Border = "zero"
) -> np.ndarray:
    """A crop resized to (patch_size, patch_size), flipped and rotated; the dtype is kept.

    Args:
        patch: what ``crop`` gave. (h, w, 3) uint8 or uint16: resampled in float32 and truncated.
            (h, w): a label map, left to OpenCV's own rounding, which keeps 0 and 1 apart.
        border: what comes in at the corners.
    """
    size = (patch_size, patch_size)
    warped = patch if patch.ndim == 2 else patch.astype(np.float32)
    if patch.shape[:2] != size:
        warped = cv2.resize(warped, size, interpolation=cv2.INTER_LINEAR)
    if params.is_flipped:
        warped = cv2.flip(warped, 1)
    if params.angle:
        centre = (patch_size // 2, patch_size // 2)
        matrix = cv2.getRotationMatrix2D(centre, params.angle, 1.0)
        warped = cv2.warpAffine(warped, matrix, size, borderMode=_BORDERS[border])
    return warped.astype(patch.dtype, copy=False)


def apply_color(image: np.ndarray, params: Params, *, order: Order = "bgr") -> np.ndarray:
    """``ops.jitter.jitter`` with the hue, contrast and brightness of ``params``, in this order."""
    steps: list[Step] = []
    if params.hue != 0:
        steps.append(("hue", params.hue))
    if params.contrast != 1:
        steps.append(("contrast", params.contrast))
    if params.brightness != 1:
        steps.append(("brightness", params.brightness))
    return jitter(image, steps, order=order)
