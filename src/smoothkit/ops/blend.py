"""Synthetic pairs for texture removal: a texture laid over a clean image, and the clean edges.

Images are bytes in OpenCV's BGR order, as on disk, since the arithmetic is defined on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

EdgeChannel = Literal["blue", "gray"]

EDGE_THRESHOLD = 50


def blend(texture: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """The ground truth with the texture's grey variation added to all three channels.

    Args:
        texture: (h, w, 3) uint8 BGR of any size: repeated from the top left corner where it is
            smaller than the ground truth, cropped where it is larger.
        gt: (H, W, 3) uint8 BGR.

    Returns:
        (H, W, 3) float64 in bytes, neither rounded nor clipped.

    Source: Feng et al., "Easy2Hard", IEEE TNNLS 2021, blending script.
    """
    blended: np.ndarray = gt.astype(np.float64) + _variation(grey_texture(texture), gt)[..., None]
    return blended


def grey_texture(texture: np.ndarray) -> np.ndarray:
    """(h, w) float32 grey levels of a (h, w, 3) uint8 BGR texture."""
    # Reference quirk: weights for RGB meet BGR data, so blue counts 0.299 and red 0.114.
    grey: np.ndarray = cv2.cvtColor(texture.astype(np.float32), cv2.COLOR_RGB2GRAY)
    return grey


def observation(grey: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: ``blend`` of a texture's grey levels, rounded and clipped."""
    return overlaid(gt, [_variation(grey, gt)] * 3)


def overlaid(gt: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W, 3) uint8: the sum of an image and one float32 plane a channel, rounded and clipped."""
    # OpenCV's sum into bytes rounds to even and saturates, as writing a PNG does.
    levels: np.ndarray = cv2.add(gt, cv2.merge(list(planes)), dtype=cv2.CV_8U)
    return levels


def training_pair(gt: np.ndarray, blended: np.ndarray) -> np.ndarray:
    """(H, 2W, 3) uint8: ground truth left, what ``blend`` gave right, rounded and clipped."""
    return np.concatenate([gt, np.clip(np.rint(blended), 0, 255).astype(np.uint8)], axis=1)


def _variation(grey: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """(H, W) the texture repeated over the ground truth, less its mean there."""
    rows, cols = np.arange(gt.shape[0]) % len(grey), np.arange(gt.shape[1]) % grey.shape[1]
    tiled: np.ndarray = grey.take(rows, axis=0).take(cols, axis=1)
    tiled -= tiled.mean()
    return tiled


def edge_map(gt: np.ndarray, channel: EdgeChannel = "blue") -> np.ndarray:
    """255 at the edges of a clean image, 0 elsewhere.

    An edge is where half the sum of the absolute 3 x 3 Sobel responses in x and y, each cut off at
    255, reaches 50; the border is mirrored.

    Args:
        gt: (H, W, 3) uint8 BGR.
        channel: ``blue`` looks at the blue channel alone, as the reference does; ``gray`` at the
            luminance, and so sees edges between equally blue areas.

    Returns:
        (H, W) uint8.
    """
    plane = gt[..., 0] if channel == "blue" else cv2.cvtColor(gt, cv2.COLOR_BGR2GRAY)
    dx = cv2.convertScaleAbs(cv2.Sobel(plane, cv2.CV_16S, 1, 0))
    dy = cv2.convertScaleAbs(cv2.Sobel(plane, cv2.CV_16S, 0, 1))
    strength = cv2.addWeighted(dx, 0.5, dy, 0.5, 0)
    return np.where(strength < EDGE_THRESHOLD, 0, 255).astype(np.uint8)
