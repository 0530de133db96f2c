"""The candidate patches of a picture set: their figures, and which of them pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from smoothkit.systems.hggt_enhance.prepare.patch_draws import Corner
from smoothkit.systems.hggt_enhance.prepare.picture_sets import ORIGINAL

Laplacian = Literal["clipped", "signed"]
Distance = Literal["signed", "absolute"]


@dataclass(frozen=True)
class Rule:
    """What patches are tried, and which of them are kept.

    A patch is kept where one of its versions, or its original, reaches both thresholds.

    Args:
        crop_size: side of a patch, in pixels.
        step_size: of the grid, in pixels.
        cont_var_thresh: least standard deviation of the grey levels, 0 to 255.
        freq_var_thresh: least variance of the Laplacian of the grey levels.
        laplacian: ``clipped`` to 0 to 255 as published, or ``signed``.
        distance: between a version and its original: the absolute value of the mean difference
            (``signed``, as published; differences of both signs cancel), or the mean of the
            absolute difference (``absolute``).

    Raises:
        ValueError: a size without pixels.

    Source: patch_select.py of HGGT. The paper speaks of a Laplacian pyramid, and of the standard
    deviation of its high frequencies; the code, and so this, takes the variance of one Laplacian.
    """

    crop_size: int = 512
    step_size: int = 288
    cont_var_thresh: int = 30
    freq_var_thresh: int = 30
    laplacian: Laplacian = "clipped"
    distance: Distance = "signed"

    def __post_init__(self) -> None:
        # The reflected border of the Laplacian needs a second pixel.
        for name, least in (("crop_size", 2), ("step_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: must be {least} or more, got {getattr(self, name)}.")


@dataclass(frozen=True)
class Cell:
    """A candidate patch.

    Args:
        top, left: of its corner, in pixels.
        std, laplacian_var: by folder, ``original`` among them.
        dist: to the original, by version; 0 to 255.
        is_kept: it reaches the thresholds.
    """

    top: int
    left: int
    std: Mapping[str, float]
    laplacian_var: Mapping[str, float]
    dist: Mapping[str, float]
    is_kept: bool

    @property
    def corner(self) -> Corner:
        """Row and column of its first pixel."""
        return self.top, self.left

    @property
    def max_dist(self) -> float:
        """Difference of the version that differs most."""
        return max(self.dist.values())


def cut_out(image: np.ndarray, corner: Corner, crop: int) -> np.ndarray:
    """The square of side ``crop`` at ``corner``; a view."""
    top, left = corner
    return image[top : top + crop, left : left + crop]


def figures_of(
    image: np.ndarray, corners: Sequence[Corner], rule: Rule
) -> list[tuple[float, float]]:
    """Standard deviation and variance of the Laplacian of each patch.

    Args:
        image: (H, W, 3) uint8 BGR.
    """
    grey = grey_levels(image)
    patches = [cut_out(grey, corner, rule.crop_size) for corner in corners]
    # By patch, not once for the image: the border of each is reflected. All of it takes less than a
    # tenth of the time that writing the patches takes.
    return [(math.sqrt(variance(p)), variance(laplacian(p, rule.laplacian))) for p in patches]


def cells_of(
    images: Mapping[str, np.ndarray],
    figures: Mapping[str, Sequence[tuple[float, float]]],
    corners: Sequence[Corner],
    rule: Rule,
) -> list[Cell]:
    """The cells of a set, in order of their corners.

    Args:
        images: by folder, ``original`` among them, as ``figures_of`` takes them.
        figures: of each image.
    """
    cells = []
    for number, corner in enumerate(corners):
        patches = {name: cut_out(image, corner, rule.crop_size) for name, image in images.items()}
        original = patches.pop(ORIGINAL)
        own = {name: found[number] for name, found in figures.items()}
        cells.append(
            Cell(
                *corner,
                std={name: std for name, (std, _) in own.items()},
                laplacian_var={name: var for name, (_, var) in own.items()},
                dist={name: distance(original, p, rule.distance) for name, p in patches.items()},
                is_kept=any(
                    std >= rule.cont_var_thresh and var >= rule.freq_var_thresh
                    for std, var in own.values()
                ),
            )
        )
    return cells


def grey_levels(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8 grey of an (H, W, 3) BGR image, by Pillow: OpenCV weighs colours otherwise."""
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.asarray(Image.fromarray(rgb).convert("L"))


def laplacian(grey: np.ndarray, kind: Laplacian) -> np.ndarray:
    """Sum of the four neighbours less four times each pixel, the border reflected.

    Returns:
        (H, W) uint8, clipped to 0 to 255, or int16 where ``kind`` is ``signed``.
    """
    depth = cv2.CV_8U if kind == "clipped" else cv2.CV_16S
    return cv2.Laplacian(grey, depth, ksize=1, borderType=cv2.BORDER_REFLECT_101)


def variance(values: np.ndarray) -> float:
    """Population variance of whole numbers; exact, so that a patch at a threshold passes it."""
    total, squares = int(cv2.sumElems(values)[0]), int(cv2.norm(values, cv2.NORM_L2SQR))
    return (squares * values.size - total * total) / values.size**2


def distance(original: np.ndarray, version: np.ndarray, kind: Distance) -> float:
    """How far a version is from its original, 0 to 255; see ``Rule``.

    Args:
        original, version: (H, W, 3) uint8.
    """
    if kind == "absolute":
        return cv2.norm(original, version, cv2.NORM_L1) / original.size
    difference = sum(cv2.sumElems(original)) - sum(cv2.sumElems(version))
    # The published code takes the mean of float32: its digits decide the order of near ties.
    return abs(float(np.float32(difference) / np.float32(original.size)))


def as_records(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Cells as values that JSON has."""
    return [asdict(cell) for cell in cells]


def from_records(records: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """The reverse of ``as_records``."""
    return [Cell(**record) for record in records]
