"""Results of several methods beside each other: one row per picture, one labelled column each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from smoothkit.ops.io import to_uint8


def picture_table(rows: Sequence[Mapping[str, np.ndarray]], cell: int = 256) -> np.ndarray:
    """uint8 sheet: one row per pair, one labelled column per method, unscaled image centres."""
    shapes = [image.shape[:2] for row in rows for image in row.values()]
    height, width = (min(cell, *sides) for sides in zip(*shapes, strict=True))
    header = np.concatenate([_label(name, width) for name in rows[0]], axis=1)
    body = [
        np.concatenate([to_uint8(centre(i, height, width)) for i in row.values()], axis=1)
        for row in rows
    ]
    return np.concatenate([header, *body])


def centre(image: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """The middle of an image, at most ``height`` x ``width`` (square without a width)."""
    height, width = min(height, image.shape[0]), min(width or height, image.shape[1])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _label(text: str, width: int) -> np.ndarray:
    strip = np.full((24, width, 3), 255, np.uint8)
    scale = min(0.5, 0.5 * (width - 8) / cv2.getTextSize(text, 0, 0.5, 1)[0][0])
    return cv2.putText(strip, text, (4, 17), 0, scale, (0, 0, 0), 1, cv2.LINE_AA)
