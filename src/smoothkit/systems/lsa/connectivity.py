"""How far pixels of two mattes stay joined to the object as the threshold rises."""

from __future__ import annotations

import cv2
import numpy as np

_STEPS = 10
# The published sum of steps, 0.6000000000000001 included: 153/255 in float64 lies below it.
_THRESHOLDS = np.arange(0, 1.1, 0.1)[: _STEPS + 1]


def joined_thresholds(
    pred: np.ndarray, gt: np.ndarray, where: np.ndarray, *, is_empty_joined: bool = False
) -> np.ndarray:
    """Per pixel the last threshold at which it belongs to the object, in float64.

    At each threshold 0.1, 0.2, ..., 1 the object is the largest 4-connected component of the pixels
    where neither matte is below it, the first in reading order of equally large ones. A pixel gets
    the threshold before the first one at which it is outside, 1 if it never is.

    Args:
        pred, gt: (H, W) float32 or float64, of one type.
        where: (H, W) bool, the pixels that are asked for.
        is_empty_joined: at a threshold that no pixel reaches, no pixel is outside; else all are.

    Returns:
        One value for each pixel of ``where``, in reading order.
    """
    box, levels = _levels(pred, gt)
    thresholds = _THRESHOLDS.copy()
    if is_empty_joined:
        thresholds[levels.max(initial=0)] = 1.0
    reached = np.zeros(pred.shape, np.uint8)
    reached[box] = _reached(levels)
    joined: np.ndarray = thresholds.take(reached[where])
    return joined


def _levels(pred: np.ndarray, gt: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray]:
    """How many thresholds above 0 both mattes reach: (h, w) uint8 of 0 to 10.

    Returns:
        The smallest box of the image beyond which they reach none, and the levels in it.
    """
    first, *others = _as_stored(_THRESHOLDS[1:], pred.dtype)
    reach_first = (pred >= first) & (gt >= first)
    left, top, width, height = cv2.boundingRect(reach_first.view(np.uint8))
    box = slice(top, top + height), slice(left, left + width)
    levels = reach_first[box].astype(np.uint8)
    overlap = np.minimum(pred[box], gt[box])
    for threshold in others:
        levels += (overlap >= threshold).view(np.uint8)
    return box, levels


def _as_stored(thresholds: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Thresholds that part k/255 in float32 as the given ones part k/255 in float64."""
    if dtype != np.float32:
        return thresholds
    tenths = np.round(thresholds, 1)
    nearest = tenths.astype(np.float32)
    return np.where(thresholds > tenths, np.nextafter(nearest, np.float32(2)), nearest)


def _reached(levels: np.ndarray) -> np.ndarray:
    """How many thresholds, from the lowest on, each pixel of ``levels`` is part of the object at.

    The sets shrink as the threshold rises, so an object lies inside a component of the set before:
    inside the object before, or wholly outside of it, which ends the search. Flooding the object
    from a pixel at its core is cheap; all components are labelled only where another one might be
    as large.
    """
    reached = np.zeros_like(levels)
    within = levels.copy()  # those of the object at the threshold before, 0 around it
    top = int(levels.max(initial=0))
    seed = _middle(levels == top) if top else (0, 0)
    rival = 0  # no component outside of that object has more pixels
    for level in range(1, top + 1):
        flooded = cv2.inRange(within, level, top)
        size = cv2.countNonZero(flooded)
        area = cv2.floodFill(flooded, None, seed, 1)[0] if flooded[seed[::-1]] else 0
        is_object = flooded == 1
        rival = max(rival, size - area)
        if area <= rival:
            is_object, rival = _largest(cv2.inRange(levels, level, top))
            if reached.flat[is_object.argmax()] != level - 1:
                break
            if level < top:
                seed = _core(within * is_object)
        reached += is_object.view(np.uint8)
        within *= is_object.view(np.uint8)
    return reached


def _largest(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The largest 4-connected component, as bool, and the area of the second largest.

    Args:
        mask: (H, W) uint8, not all 0.
    """
    labels = cv2.connectedComponents(mask, connectivity=4)[1]
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    # OpenCV numbers them in reading order of their first pixels, so this is the first of equals.
    label = areas.argmax()
    is_largest = labels == label
    areas[label] = 0
    return is_largest, int(areas.max())


def _core(levels: np.ndarray) -> tuple[int, int]:
    """(x, y) of a pixel of the largest component at the highest level."""
    top = int(levels.max())
    return _middle(_largest(cv2.inRange(levels, top, top))[0])


def _middle(mask: np.ndarray) -> tuple[int, int]:
    """(x, y) of the pixel of ``mask`` that as many follow as precede."""
    inside = np.flatnonzero(mask)
    y, x = divmod(int(inside[inside.size // 2]), mask.shape[1])
    return x, y
