"""Colours of training foregrounds and backgrounds, (H, W, 3) uint8 BGR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from smoothkit.ops.jitter import jitter
from smoothkit.systems.lsa.windows import resized

StepName = Literal["brightness", "contrast", "saturation"]
Step = tuple[StepName, float]

# PIL's grey level of blue, green and red, with one half for rounding; exact in float32.
_LUMA = np.array([[7471, 38470, 19595, 0x8000]], np.float32) / 65536


@dataclass(frozen=True)
class Mix:
    """A colour that comes in.

    Args:
        color: of blue, green and red, 0 to 1.
        kept: part of the image that stays, of each channel.
    """

    color: tuple[float, ...]
    kept: tuple[float, ...]


def recolored(
    image: np.ndarray, mix: Mix | None, inverts: bool, permutation: Sequence[int] | None
) -> np.ndarray:
    """The image mixed with a colour and truncated to levels, then inverted, then permuted."""
    if mix is not None or inverts:
        levels = np.repeat(np.arange(256, dtype=np.float64)[:, None], 3, axis=1)
        if mix is not None:
            kept = np.array(mix.kept)
            levels = levels * kept + np.array(mix.color) * 255 * (1 - kept)
        table = levels.astype(np.uint8)
        image = cv2.LUT(image, (255 - table if inverts else table)[None])
    if permutation is None:
        return image
    planes = cv2.split(image)
    return cv2.merge([planes[channel] for channel in permutation])


def blurred(image: np.ndarray, half_width: int, half_height: int) -> np.ndarray:
    """By a Gaussian over so many pixels to each side, of the deviation that OpenCV takes then."""
    return cv2.GaussianBlur(image, (2 * half_width + 1, 2 * half_height + 1), 0)


def degraded(image: np.ndarray, side: int) -> np.ndarray:
    """Resized to a square and back."""
    return resized(resized(image, (side, side)), (image.shape[0], image.shape[1]))


def jittered(image: np.ndarray, steps: Sequence[Step]) -> np.ndarray:
    """The image after each step, as torchvision's ColorJitter does it on 8-bit RGB."""
    for name, factor in steps:
        if name == "saturation":
            image = saturated(image, factor)
        else:
            image = jitter(image, [(name, factor)])
    return image


def saturated(image: np.ndarray, factor: float) -> np.ndarray:
    """Each pixel's distance from its own grey level times ``factor``, with the bytes of PIL."""
    grey = cv2.transform(image.astype(np.float32), _LUMA).astype(np.uint8).astype(np.float32)
    planes = []
    for plane in cv2.split(image):
        level = plane - grey
        level *= np.float32(factor)
        level += grey
        planes.append(np.clip(level, 0, 255, out=level).astype(np.uint8))
    return cv2.merge(planes)
