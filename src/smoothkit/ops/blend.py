"""Synthetic pairs for texture removal: a texture laid over a clean image, and the clean edges.

Images are bytes in OpenCV's BGR order, as on disk, since the arithmetic is defined on them.
"""

from __future__ import annotations

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
    # Reference quirk: weights for RGB meet BGR data, so blue counts 0.299 and red 0.114.
    grey = cv2.cvtColor(texture.astype(np.float32), cv2.COLOR_RGB2GRAY)
    height, width = gt.shape[:2]
    tiled = grey[np.arange(height)[:, None] % len(grey), np.arange(width) % grey.shape[1]]
    tiled -= tiled.mean()
    observation: np.ndarray = gt.astype(np.float64) + tiled[..., None]
    return observation


def training_pair(gt: np.ndarray, observation: np.ndarray) -> np.ndarray:
    """(H, 2W, 3) uint8: ground truth left, observation right, rounded and clipped."""
    return np.concatenate([gt, np.clip(np.rint(observation), 0, 255).astype(np.uint8)], axis=1)


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
