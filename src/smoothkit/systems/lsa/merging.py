"""Foregrounds before backgrounds, in bytes, as the test sets of matting are made."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image


class Foreground:
    """A foreground that is merged with one background after the other.

    Args:
        image: (H, W, 3) uint8.
        alpha: (H, W) uint8 or uint16.

    Source: published code of LSA-Matting, after that of Deep Image Matting (arXiv 1703.03872).
    """

    def __init__(self, image: np.ndarray, alpha: np.ndarray) -> None:
        self._image = image
        self._is_clear = alpha == 0
        opacity = alpha / np.iinfo(alpha.dtype).max
        self._mixed = np.nonzero((opacity > 0) & (opacity < 1))
        weight = opacity[self._mixed][:, None]
        self._share, self._rest = weight * image[self._mixed], 1 - weight

    def over(self, background: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8: mixed in double precision and cut off, as the published code does.

        Args:
            background: (H', W', 3) uint8 in the same order of channels; made larger where it must
                be, and cropped at its upper left corner.
        """
        behind = covering(background, *self._image.shape[:2])
        merged = np.where(self._is_clear[..., None], behind, self._image)
        merged[self._mixed] = self._share + self._rest * behind[self._mixed]
        return merged


def covering(background: np.ndarray, height: int, width: int) -> np.ndarray:
    """The upper left corner of an image, which is first enlarged if it is too small.

    Returns:
        (height, width, 3) uint8; enlarged by Pillow's bicubic filter.
    """
    ratio = max(width / background.shape[1], height / background.shape[0])
    if ratio > 1:
        size = [math.ceil(side * ratio) for side in background.shape[1::-1]]
        resized = Image.fromarray(background).resize((size[0], size[1]), Image.Resampling.BICUBIC)
        background = np.asarray(resized)
    return background[:height, :width]
