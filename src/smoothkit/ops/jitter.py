"""Hue, contrast and brightness of an image, as PIL changes them, without PIL.

The references of both smoothing systems jitter colours through torchvision on 8-bit PIL images.
PIL's arithmetic is done here in tables and whole planes: the same bytes, in a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from smoothkit.ops.io import to_float, to_uint16

Order = Literal["bgr", "rgb"]
Step = tuple[Literal["hue", "contrast", "brightness"], float]
Planes = list[np.ndarray]

# PIL's luma weights, in 1/65536.
_LUMA = (19595, 38470, 7471)


def jitter(image: np.ndarray, steps: Sequence[Step], *, order: Order = "bgr") -> np.ndarray:
    """The image after each step in turn; shape and dtype are kept.

    Args:
        image: (H, W, 3) uint8, treated as PIL would; or uint16, for which the same steps are taken
            in floating point, so that no level is lost.
        steps: ``hue`` with a shift in turns, -0.5 to 0.5; ``contrast`` with a factor on the
            distance from the image's own mean; ``brightness`` with a factor.
        order: how the channels are read. ``rgb`` on a BGR image is the quirk of Easy2Hard: hue
            turns the other way, and red and blue swap their weights in the mean.
    """
    if not steps:
        return image
    forward = slice(None, None, -1 if order == "bgr" else 1)
    is_deep = image.dtype != np.uint8
    functions = _DEEP if is_deep else _BYTES
    planes = list(cv2.split(to_float(image) if is_deep else image)[forward])
    for name, amount in steps:
        planes = functions[name](planes, amount)
    result = cv2.merge(planes[forward])
    return to_uint16(result) if is_deep else result


def _byte_contrast(rgb: Planes, factor: float) -> Planes:
    luma = np.full(rgb[0].shape, 0x8000, np.int32)
    for plane, weight in zip(rgb, _LUMA, strict=True):
        luma += plane * np.int32(weight)
    luma >>= 16
    return _byte_blend(rgb, int(luma.mean() + 0.5), factor)


def _byte_brightness(rgb: Planes, factor: float) -> Planes:
    return _byte_blend(rgb, 0, factor)


def _byte_blend(rgb: Planes, base: int, factor: float) -> Planes:
    levels = np.arange(256, dtype=np.float32)
    blended = np.float32(base) + np.float32(factor) * (levels - np.float32(base))
    table = np.clip(blended, 0, 255).astype(np.uint8)  # truncated, as in PIL
    return [cv2.LUT(plane, table) for plane in rgb]


def _byte_hue(rgb: Planes, turns: float) -> Planes:
    """To PIL's 8-bit HSV, a shift of the hue byte, which wraps around, and back.

    On the way back each channel is ``value * (1 - saturation * weight)``, with a weight that
    depends on hue alone: 0 for the largest channel, 1 for the smallest.
    """
    red, green, blue = rgb
    value = cv2.max(cv2.max(red, green), blue)
    chroma = value - cv2.min(cv2.min(red, green), blue)
    saturation = _saturations().take(value * np.intp(256) + chroma)
    hue = _hues().take(_hue_index(rgb, value, chroma)) + np.uint8(int(turns * 255) % 256)
    result = []
    for weights in _hue_weights():
        level = value * (np.float32(1) - saturation * cv2.LUT(hue, weights))
        result.append((level + np.float32(0.5)).astype(np.uint8))
    return result


def _hue_index(rgb: Planes, value: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Where in ``_hues`` a pixel is: (largest channel, chroma, difference of the other two)."""
    red, green, blue = rgb
    is_red = red == value
    is_blue = ~(is_red | (green == value))  # PIL asks red first, then green
    # red: green - blue, green: blue - red, blue: red - green
    first = np.where(is_red, green, np.where(is_blue, red, blue))
    second = np.where(is_red, blue, np.where(is_blue, green, red))
    largest = np.uint8(1) - is_red + is_blue
    index: np.ndarray = largest * np.intp(256 * 512) + 256
    index += chroma * np.intp(512)
    index += first
    index -= second
    return index


@lru_cache(maxsize=1)
def _saturations() -> np.ndarray:
    """(256 values * 256 chromas) float32 in [0, 1]: PIL's saturation byte / 255."""
    value, chroma = np.ogrid[:256, :256]
    ratio = chroma.astype(np.float32) / np.maximum(value, 1).astype(np.float32)
    levels = np.trunc(np.minimum(ratio.astype(np.float64) * 255, 255))
    return (levels / 255).astype(np.float32).ravel()


@lru_cache(maxsize=1)
def _hues() -> np.ndarray:
    """(3 largest channels * 256 chromas * 512 differences) uint8: PIL's hue byte."""
    largest, chroma, difference = np.ogrid[:3, :256, -256:256]
    # PIL subtracts the distances of the two other channels from the largest, each over chroma in
    # float32. The smallest channel's is exactly 1; this is the middle one's.
    rest = np.float32(chroma - np.abs(difference)) / np.maximum(chroma, 1).astype(np.float32)
    offset = np.where(difference >= 0, 1 - rest.astype(np.float64), rest.astype(np.float64) - 1)
    sixths = (2 * largest + offset).astype(np.float32).astype(np.float64)
    turns = np.fmod(sixths / 6 + 1, 1).astype(np.float32).astype(np.float64)
    return np.where(chroma > 0, np.clip(turns * 255, 0, 255), 0).astype(np.uint8).ravel()


@lru_cache(maxsize=1)
def _hue_weights() -> list[np.ndarray]:
    """For red, green and blue: (256,) float32, the share of saturation that a hue takes away."""
    sixths = (np.arange(256) * 6 / 255).astype(np.float32)
    sector = np.floor(sixths).astype(np.intp)
    fraction = sixths - sector.astype(np.float32)
    rising, falling = np.float32(1) - fraction, fraction
    none, whole = np.zeros_like(fraction), np.ones_like(fraction)
    return [
        np.choose(sector % 6, [none, falling, whole, whole, rising, none]),
        np.choose(sector % 6, [rising, none, none, falling, whole, whole]),
        np.choose(sector % 6, [whole, whole, rising, none, none, falling]),
    ]


def _deep_contrast(rgb: Planes, factor: float) -> Planes:
    mean = sum(float(plane.mean()) * weight for plane, weight in zip(rgb, _LUMA, strict=True))
    return _deep_blend(rgb, mean / 65536, factor)


def _deep_brightness(rgb: Planes, factor: float) -> Planes:
    return _deep_blend(rgb, 0.0, factor)


def _deep_blend(rgb: Planes, base: float, factor: float) -> Planes:
    return [np.clip(base + factor * (plane - base), 0, 1) for plane in rgb]


def _deep_hue(rgb: Planes, turns: float) -> Planes:
    hue, saturation, value = cv2.split(cv2.cvtColor(cv2.merge(rgb), cv2.COLOR_RGB2HSV))
    hue = np.mod(hue + np.float32(360 * turns), np.float32(360))
    return list(cv2.split(cv2.cvtColor(cv2.merge((hue, saturation, value)), cv2.COLOR_HSV2RGB)))


_BYTES: dict[str, Callable[[Planes, float], Planes]] = {
    "hue": _byte_hue,
    "contrast": _byte_contrast,
    "brightness": _byte_brightness,
}
_DEEP: dict[str, Callable[[Planes, float], Planes]] = {
    "hue": _deep_hue,
    "contrast": _deep_contrast,
    "brightness": _deep_brightness,
}
