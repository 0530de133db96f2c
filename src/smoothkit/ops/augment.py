"""Paired augmentation for smoothing: one crop, flip and rotation, and one colour jitter.

``sample`` draws, ``crop``, ``apply_geometry`` and ``apply_color`` apply, so recorded parameters
replay exactly.

Source: the training pipelines of Easy2Hard (IEEE TNNLS 2021) and CSGIS-Net (arXiv 2209.00977).
Differs: a crop may touch the last row and column and is clamped to the image, and colour is
jittered in the right channel order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np

from smoothkit.ops.jitter import Order, Step, jitter

Border = Literal["zero", "reflect"]
Recipe = Literal["easy2hard", "csgis"]
ColorStep = Literal["hue", "contrast", "brightness"]

_COLOR_STEPS: tuple[ColorStep, ...] = get_args(ColorStep)
_NO_MAP = np.empty(0, np.int16)
_SIZE = {"easy2hard": 0.25, "csgis": 0.0}
_BORDERS = {"zero": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101}


@dataclass(frozen=True)
class Ranges:
    """How far a draw may go; the defaults are the reference's.

    Args:
        size: the sides of a crop, as a part of the patch added or taken away; None: 0.25, and 0 in
            the recipe of CSGIS-Net.
        angle: of the rotation, in degrees, below 180.
        hue: shift in turns, at most 0.5.
        contrast, brightness: the factors differ from 1 by at most this, below 1.
        quarters: also turn by a random number of right angles, which resamples nothing.
        recipe: ``easy2hard``: turned by whole degrees with interpolation; hue, then contrast, then
            brightness. ``csgis``: turned by any angle, each pixel taken from the nearest; the
            steps of colour in random order.

    Raises:
        ValueError: out of range.
    """

    size: float | None = None
    angle: int = 45
    hue: float = 0.3
    contrast: float = 0.7
    brightness: float = 0.7
    quarters: bool = False
    recipe: Recipe = "easy2hard"

    def __post_init__(self) -> None:
        below = {"size": 1, "angle": 180, "contrast": 1, "brightness": 1}
        for name, limit in below.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value < limit:
                raise ValueError(f"{name}: must be at least 0 and below {limit}, got {value}.")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue: must be between 0 and 0.5, got {self.hue}.")

    def margin(self, patch_size: int) -> int:
        """Pixels by which the sides of a crop may differ from the patch."""
        return int(patch_size * (_SIZE[self.recipe] if self.size is None else self.size))


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
        is_nearest: turn as PIL does without interpolation, about the middle of the patch.
        color_order: in which the steps of colour are taken.
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
    is_nearest: bool = False
    color_order: tuple[ColorStep, ...] = _COLOR_STEPS


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
    margin = ranges.margin(patch_size)
    crop_height, crop_width = rng.integers(patch_size - margin, patch_size + margin + 1, 2)
    where = sample_crop(rng, height, width, int(crop_height), int(crop_width))
    is_csgis = ranges.recipe == "csgis"
    return Params(
        where.height,
        where.width,
        where.row,
        where.col,
        is_flipped=bool(rng.random() > 0.5),
        angle=_sample_angle(rng, ranges),
        hue=float(rng.uniform(-ranges.hue, ranges.hue)),
        contrast=float(rng.uniform(1 - ranges.contrast, 1 + ranges.contrast)),
        brightness=float(rng.uniform(1 - ranges.brightness, 1 + ranges.brightness)),
        quarters=int(rng.integers(4)) if ranges.quarters else 0,
        is_nearest=is_csgis,
        color_order=_sample_order(rng) if is_csgis else _COLOR_STEPS,
    )


def _sample_angle(rng: np.random.Generator, ranges: Ranges) -> float:
    if not ranges.angle:
        return 0.0
    if ranges.recipe == "csgis":
        return float(rng.uniform(-ranges.angle, ranges.angle))
    return float(rng.integers(-ranges.angle, ranges.angle))


def _sample_order(rng: np.random.Generator) -> tuple[ColorStep, ...]:
    return tuple(_COLOR_STEPS[place] for place in rng.permutation(len(_COLOR_STEPS)))


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
    patch: np.ndarray,
    params: Params,
    patch_size: int,
    *,
    border: Border = "zero",
    is_label: bool = False,
) -> np.ndarray:
    """A crop resized to (patch_size, patch_size), flipped and rotated; the dtype is kept.

    Args:
        patch: what ``crop`` gave. (h, w, 3) uint8 or uint16: resampled in float32 and truncated.
            (h, w): an edge map, left to OpenCV's own rounding, which keeps 0 and 1 apart.
        border: what comes in at the corners.
        is_label: values are names of classes: (h, w), each pixel is that of the nearest.
    """
    size = (patch_size, patch_size)
    is_resized = patch.shape[:2] != size
    is_mixed = is_resized or (params.angle != 0 and not params.is_nearest)
    warped = patch.astype(np.float32) if patch.ndim == 3 and is_mixed else patch
    if is_resized:
        # INTER_NEAREST would look half a pixel beside where INTER_LINEAR does.
        kernel = cv2.INTER_NEAREST_EXACT if is_label else cv2.INTER_LINEAR
        warped = cv2.resize(warped, size, interpolation=kernel)
    if params.is_flipped:
        warped = cv2.flip(warped, 1)
    if params.angle and params.is_nearest:
        places = _nearest_places(params.angle, patch_size)
        nearest = cv2.INTER_NEAREST
        warped = cv2.remap(warped, places, _NO_MAP, nearest, borderMode=_BORDERS[border])
    elif params.angle:
        kernel = cv2.INTER_NEAREST if is_label else cv2.INTER_LINEAR
        centre = (patch_size // 2, patch_size // 2)
        matrix = cv2.getRotationMatrix2D(centre, params.angle, 1.0)
        warped = cv2.warpAffine(warped, matrix, size, flags=kernel, borderMode=_BORDERS[border])
    if params.quarters:
        warped = np.ascontiguousarray(np.rot90(warped, params.quarters))
    return warped.astype(patch.dtype, copy=False)


@lru_cache(maxsize=1)  # the images of one item follow each other
def _nearest_places(angle: float, size: int) -> np.ndarray:
    """(size, size, 2) int16: column and row from which a rotation by PIL takes each pixel.

    Two numbers decide ties as PIL does: a matrix rounded to 15 digits, and steps of 1/65536.
    """
    radians = -math.radians(angle)
    cos, sin = round(math.cos(radians), 15), round(math.sin(radians), 15)
    middle = size / 2
    left = (cos * -middle + sin * -middle + middle) + cos * 0.5 + sin * 0.5
    top = (-sin * -middle + cos * -middle + middle) - sin * 0.5 + cos * 0.5
    down, right = np.ogrid[:size, :size]
    columns = (_fixed(left) + _fixed(sin) * down + _fixed(cos) * right) >> 16
    rows = (_fixed(top) + _fixed(cos) * down + _fixed(-sin) * right) >> 16
    places = np.dstack([columns, rows]).astype(np.int16)
    places.flags.writeable = False
    return places


def _fixed(value: float) -> int:
    return math.floor(value * 65536 + 0.5)


def apply_color(image: np.ndarray, params: Params, *, order: Order = "bgr") -> np.ndarray:
    """``ops.jitter.jitter`` with the hue, contrast and brightness of ``params``, in its order."""
    neutral: dict[ColorStep, float] = {"hue": 0.0, "contrast": 1.0, "brightness": 1.0}
    amounts = {"hue": params.hue, "contrast": params.contrast, "brightness": params.brightness}
    steps: list[Step] = [
        (name, amounts[name]) for name in params.color_order if amounts[name] != neutral[name]
    ]
    return jitter(image, steps, order=order)
