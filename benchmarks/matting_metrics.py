"""Conn of a matte against a loop that labels the whole image at every threshold, as JSON.

The matte is a made-up one with hair; its prediction is blurred and, where the trimap is unknown,
noisy. Straight loops label with scipy and with OpenCV. Times include everything but reading files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
import torch
from common import interleaved, report
from scipy import ndimage

from smoothkit.systems.lsa.metric import matting_conn, matting_grad, matting_mse, matting_sad

Label = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--width", type=int, default=1500)
    parser.add_argument("--noise", type=float, default=0.02, help="of the prediction")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    pred, gt, trimap = made_up(args.height, args.width, args.noise)
    where = trimap == 128
    doubles = [torch.from_numpy(plane)[None] for plane in (pred, gt, trimap / 255)]
    singles = [plane.float() for plane in doubles]
    functions = {
        "straight, scipy": lambda: straight(pred, gt, where, lambda s: ndimage.label(s)[0]),
        "straight, opencv": lambda: straight(pred, gt, where, label_by_opencv),
        "ours": lambda: matting_conn(*doubles),
        "ours, float32": lambda: matting_conn(*singles),
    }
    expected, _, found, _ = (function() for function in functions.values())
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    seconds = interleaved(functions, args.repeats)
    others = interleaved(
        {f.__name__: lambda f=f: f(*singles) for f in (matting_sad, matting_mse, matting_grad)},
        args.repeats,
    )
    report(
        what=f"Conn of a matte of {args.height} x {args.width} pixels",
        unknown=float(where.mean()),
        value=found,
        milliseconds={name: 1000 * value for name, value in (seconds | others).items()},
        times_faster={
            name: {other: seconds[other] / seconds[name] for other in list(functions)[:2]}
            for name in list(functions)[2:]
        },
    )


def made_up(height: int, width: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth (float64) and trimap (bytes) of a head with hair."""
    rng = np.random.default_rng(0)
    canvas = np.zeros((height, width), np.uint8)
    radii = np.array([width * 0.23, height * 0.4])
    centre = np.array([width / 2, height * 0.7])
    cv2.ellipse(canvas, centre.astype(int).tolist(), radii.astype(int).tolist(), 0, 0, 360, 255, -1)
    for angle in rng.uniform(np.pi, 2 * np.pi, 800):
        along = np.linspace(0.95, 1.45, 12)[:, None]
        bend = np.cumsum(rng.normal(0, width / 400, (12, 2)), axis=0)
        points = centre + along * radii * [np.cos(angle), np.sin(angle)] + bend
        level = int(rng.integers(60, 256))
        cv2.polylines(canvas, [np.rint(points).astype(np.int32)], False, level, 1, cv2.LINE_AA)
    gt = canvas / 255
    is_unknown = cv2.dilate(((gt > 0) & (gt < 1)).astype(np.uint8), np.ones((15, 15))) > 0
    trimap = np.where(is_unknown, 128, canvas).astype(np.uint8)
    blurred = cv2.GaussianBlur(gt, (0, 0), 1.5)
    return np.clip(blurred + rng.normal(0, noise, gt.shape) * is_unknown, 0, 1), gt, trimap


def straight(pred: np.ndarray, gt: np.ndarray, where: np.ndarray, label: Label) -> float:
    thresholds = np.arange(0, 1.1, 0.1)
    last = np.full(pred.shape, -1.0)
    for k in range(1, 11):
        both = (pred >= thresholds[k]) & (gt >= thresholds[k])
        if both.any():
            labels = label(both)
            areas = np.bincount(labels.ravel())
            areas[0] = 0
            both = labels == areas.argmax()
        last[(last == -1) & ~both] = thresholds[k - 1]
    last[last == -1] = 1.0
    pred_gap, gt_gap = pred - last, gt - last
    pred_phi = 1 - pred_gap * (pred_gap >= 0.15)
    gt_phi = 1 - gt_gap * (gt_gap >= 0.15)
    return float(np.abs(pred_phi - gt_phi)[where].sum() / 1000)


def label_by_opencv(both: np.ndarray) -> np.ndarray:
    return cv2.connectedComponents(both.astype(np.uint8), connectivity=4)[1]


if __name__ == "__main__":
    main()
