"""How a texture lies over a ground truth: drawn, then applied to one window of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from smoothkit.ops.augment import Params, crop
from smoothkit.ops.blend import overlaid

_EQUAL = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class TextureRanges:
    """How a texture may differ from the one in its file; by default in nothing.

    Args:
        scale: smallest and largest magnification, drawn evenly over their ratio.
        angle: largest rotation in degrees, either way.
        strength: smallest and largest factor on the deviation from the mean.
        color: by how much the factors of single channels may differ from 1, below 1.

    Raises:
        ValueError: out of range.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    angle: float = 0.0
    strength: tuple[float, float] = (1.0, 1.0)
    color: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "strength"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: must be two rising numbers above 0, got {low}, {high}.")
        if not 0 <= self.angle <= 180:
            raise ValueError(f"angle: must be between 0 and 180, got {self.angle}.")
        if not 0 <= self.color < 1:
            raise ValueError(f"color: must be at least 0 and below 1, got {self.color}.")


@dataclass(frozen=True)
class TextureParams:
    """One draw of how a texture lies over a ground truth.

    Args:
        row, col: of the texture's pixel that falls on the top left corner.
        scale: magnification.
        angle: in degrees, counter-clockwise, about that corner.
        gains: factors on the deviation from the mean, of blue, green and red.
    """

    row: int = 0
    col: int = 0
    scale: float = 1.0
    angle: float = 0.0
    gains: tuple[float, float, float] = _EQUAL


def sample_texture(
    rng: np.random.Generator, height: int, width: int, ranges: TextureRanges | None = None
) -> TextureParams:
    """A draw for a texture of this size."""
    row, col = int(rng.integers(height)), int(rng.integers(width))
    if ranges is None:
        return TextureParams(row, col)
    scale = math.exp(rng.uniform(*np.log(ranges.scale)))
    angle = float(rng.uniform(-ranges.angle, ranges.angle))
    gains = rng.uniform(*ranges.strength) * rng.uniform(1 - ranges.color, 1 + ranges.color, 3)
    blue, green, red = gains.tolist()
    return TextureParams(row, col, scale, angle, (blue, green, red))


def apply_texture(
    grey: np.ndarray, gt: np.ndarray, params: TextureParams, window: Params
) -> np.ndarray:
    """A window of the observation, (h, w, 3) uint8: what ``ops.blend.blend`` has there, rounded.

    Args:
        grey: (h, w) float32, the texture's grey levels.
        gt: (H, W, 3) uint8 BGR, the whole ground truth. The mean of the texture over it is removed;
            of a scaled or turned one that of the texture itself.
    """
    if params.scale == 1 and params.angle == 0:
        variation = _laid(grey, gt.shape[:2], params, window)
    else:
        variation = _turned(grey, params, window)
    is_grey = params.gains == _EQUAL
    planes = [variation] * 3 if is_grey else [variation * np.float32(g) for g in params.gains]
    return overlaid(crop(gt, window), planes)


def _laid(
    grey: np.ndarray, size: tuple[int, int], params: TextureParams, window: Params
) -> np.ndarray:
    """(h, w) deviation of the tiled texture from its mean over the whole of ``size``."""
    rows = (np.arange(size[0]) + params.row) % grey.shape[0]
    cols = (np.arange(size[1]) + params.col) % grey.shape[1]
    own_rows = rows[window.row : window.row + window.height]
    own_cols = cols[window.col : window.col + window.width]
    levels: np.ndarray = grey.take(own_rows, axis=0).take(own_cols, axis=1)
    return levels - _mean(grey, rows, cols)


def _turned(grey: np.ndarray, params: TextureParams, window: Params) -> np.ndarray:
    """(h, w) deviation from the mean of the texture under its rotation and scale."""
    radians = math.radians(params.angle)
    cos, sin = math.cos(radians) / params.scale, math.sin(radians) / params.scale
    y = np.arange(window.row, window.row + window.height, dtype=np.float32)[:, None]
    x = np.arange(window.col, window.col + window.width, dtype=np.float32)
    # Whole periods are taken off first: OpenCV reads coordinates in 16 bits.
    rows = (params.row + cos * y + sin * x) % grey.shape[0]
    cols = (params.col - sin * y + cos * x) % grey.shape[1]
    levels: np.ndarray = cv2.remap(
        grey,
        cols.astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return levels - np.float32(grey.mean())


def _mean(grey: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.float32:
    """Mean of ``grey[rows][:, cols]``, from how often each level occurs there."""
    row_counts = np.bincount(rows, minlength=grey.shape[0])
    col_counts = np.bincount(cols, minlength=grey.shape[1]).astype(np.float32)
    return np.float32(row_counts @ (grey @ col_counts).astype(np.float64) / rows.size / cols.size)
