"""Mattes for tests, and the metrics of mattes written down straight from their formulas."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from scipy import ndimage

THRESHOLDS = np.arange(0, 1.1, 0.1)[:11]


def furry(seed: int = 0, height: int = 70, width: int = 90) -> tuple[np.ndarray, ...]:
    """An object with hair: prediction (with errors), truth, both float64, and trimap in bytes."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((height, width), np.uint8)
    cv2.ellipse(canvas, (width // 2, height), (width // 4, height // 2), 0, 0, 360, 255, -1)
    for angle in rng.uniform(np.pi, 2 * np.pi, 40):
        along = np.linspace(0.9, 1.6, 6)[:, None]
        bend = rng.normal(0, 1, (6, 2))
        reach = np.array([width / 4 * np.cos(angle), height / 2 * np.sin(angle)])
        points = np.rint(np.array([width / 2, height]) + along * reach + bend).astype(np.int32)
        cv2.polylines(canvas, [points], False, int(rng.integers(60, 256)), 1, cv2.LINE_AA)
    truth = canvas / 255
    is_unknown = cv2.dilate(((truth > 0) & (truth < 1)).astype(np.uint8), np.ones((5, 5))) > 0
    trimap = np.where(is_unknown, 128, np.where(truth == 1, 255, 0)).astype(np.uint8)
    noise = rng.normal(0, 0.1, truth.shape) * is_unknown
    pred = np.clip(cv2.GaussianBlur(truth, (0, 0), 0.8) + noise, 0, 1)
    return pred, truth, trimap


def sad(pred: np.ndarray, gt: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(pred - gt)[where].sum() / 1000)


def mse(pred: np.ndarray, gt: np.ndarray, where: np.ndarray, count: int) -> float:
    return float(((pred - gt) ** 2)[where].sum() / count)


def grad(pred: np.ndarray, gt: np.ndarray, where: np.ndarray, half_size: int) -> float:
    def magnitude(image: np.ndarray) -> np.ndarray:
        x = np.arange(-half_size, half_size + 1)
        gauss = np.exp(-(x**2) / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi))
        kernel = np.outer(gauss, -x * gauss / 1.4**2)
        kernel /= np.sqrt((kernel**2).sum())
        parts = [ndimage.convolve(image, k, mode="nearest") for k in (kernel, kernel.T)]
        return np.hypot(*parts)

    return float(((magnitude(pred) - magnitude(gt)) ** 2)[where].sum() / 1000)


def joined(pred: np.ndarray, gt: np.ndarray, *, passes_over_empty: bool) -> np.ndarray:
    """(H, W): the last threshold at which each pixel belongs to the largest component."""
    last = np.full(pred.shape, -1.0)
    for before, threshold in pairwise(THRESHOLDS):
        both = (pred >= threshold) & (gt >= threshold)
        if not both.any() and passes_over_empty:
            continue
        labels = ndimage.label(both)[0]
        areas = np.bincount(labels.ravel(), minlength=2)[1:]
        largest = (labels == 1 + areas.argmax()) if both.any() else both
        last[(last == -1) & ~largest] = before
    last[last == -1] = 1.0
    return last


def conn(
    pred: np.ndarray, gt: np.ndarray, where: np.ndarray, *, passes_over_empty: bool = False
) -> float:
    last = joined(pred, gt, passes_over_empty=passes_over_empty)
    gaps = [image - last for image in (pred, gt)]
    first, second = (1 - gap * (gap >= 0.15) for gap in gaps)
    return float(np.abs(first - second)[where].sum() / 1000)
