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

_BORDERS = {"zero": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101}


@dataclass(frozen=True)
class Ranges:
    """How far a draw may go; the defaults are the reference's.

    Args:
        size: the sides of a crop, as a part of the patch added or taken away.
        angle: of the rotation, in degrees, below 180.
        hue: shift in turns, at most 0.5.
        contrast, brightness: the factors differ from 1 by at most this, below 1.
        quarters: also turn by a random number of right angles, which resamples nothing.

    Raises:
        ValueError: out of range.
    """

    size: float = 0.25
    angle: int = 45
    hue: float = 0.3
    contrast: float = 0.7
    brightness: float = 0.7
    quarters: bool = False

    def __post_init__(self) -> None:
        below = {"size": 1, "angle": 180, "contrast": 1, "brightness": 1}
        for name, limit in below.items():
            if not 0 <= (value := getattr(self, name)) < limit:
                raise ValueError(f"{name}: must be at least 0 and below {limit}, got {value}.")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue: must be between 0 and 0.5, got {self.hue}.")


REFERENCE = Ranges()


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
        quarters: right angles, counter-clockwise, after everything else.
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
    quarters: int = 0


def sample(
    rng: np.random.Generator,
    height: int,
    width: int,
    patch_size: int,
    ranges: Ranges = REFERENCE,
) -> Params:
    """A draw of everything: crop, flip, rotation, colour.

    Args:
        height, width: of the image; both at least ``patch_size``.
    """
    margin = int(patch_size * ranges.size)
    crop_height, crop_width = rng.integers(patch_size - margin, patch_size + margin + 1, 2)
    where = sample_crop(rng, height, width, int(crop_height), int(crop_width))
    return Params(
        where.height,
        where.width,
        where.row,
        where.col,
        is_flipped=bool(rng.random() > 0.5),
        angle=float(rng.integers(-ranges.angle, ranges.angle)) if ranges.angle else 0.0,
        hue=float(rng.uniform(-ranges.hue, ranges.hue)),
        contrast=float(rng.uniform(1 - ranges.contrast, 1 + ranges.contrast)),
        brightness=float(rng.uniform(1 - ranges.brightness, 1 + ranges.brightness)),
        quarters=int(rng.integers(4)) if ranges.quarters else 0,
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
    if params.quarters:
        warped = np.ascontiguousarray(np.rot90(warped, params.quarters))
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
