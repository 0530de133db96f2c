"""Smaller copies of large images, so that networks also train on coarser views of a scene."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.data.prepare.derive import Make
from smoothkit.ops.io import ImageHeader

FACTORS = (0.75, 0.5, 1 / 3)
SHORT_SIDE = 400


class Multiscale:
    """A recipe for ``derive``: an image at three factors, and with a short side of 400 pixels.

    Resized by Pillow's Lanczos filter, in the depth and channels of the image; a short side below
    400 is enlarged. The original is not copied.

    Source: HGGT (arXiv 2303.13069), published script, with its names and sizes. Differs: palettes
    are resized as colours, where Pillow takes the nearest entry; 16-bit colours keep their depth,
    of which Pillow reads the upper 8 bits; images with an EXIF orientation are upright.
    """

    def settings(self) -> dict[str, Any]:
        """What decides the copies of an image."""
        return {"filter": "lanczos", "factors": FACTORS, "short_side": SHORT_SIDE}

    def params(self, suffix: str) -> tuple[int, ...]:
        """OpenCV's own: what is made here is read a few times only."""
        return ()

    def stem_of(self, path: Path) -> str:
        """The name without extension."""
        return path.stem

    def owner_of(self, name: str) -> str:
        """What stands before ``T0.png``."""
        return name[: -len("T0.png")]

    def results(self, path: Path, header: ImageHeader) -> dict[str, Make]:
        """``<stem>T0.png`` to ``<stem>T3.png``.

        Raises:
            DataError: the image has too few pixels, or 16 bits and alpha.
        """
        if header.depth == 16 and header.kind == "alpha":
            raise DataError(f"{path}: has alpha and 16 bits. Remove one of them.")
        sizes = smaller_sizes(header.width, header.height)
        if min(map(min, sizes)) < 1:
            size = f"{header.height}x{header.width}"
            raise DataError(f"{path}: is too small for a third of its size, got {size}.")
        return {f"{path.stem}T{k}.png": partial(_resized, size) for k, size in enumerate(sizes)}


def smaller_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """(width, height) of the copies of an image, in the order of their numbers."""
    sizes = [(int(width * factor), int(height * factor)) for factor in FACTORS]
    if width < height:
        return [*sizes, (SHORT_SIDE, int(SHORT_SIDE * (height / width)))]
    return [*sizes, (int(SHORT_SIDE * (width / height)), SHORT_SIDE)]


def _resized(size: tuple[int, int], image: np.ndarray) -> np.ndarray:
    """An image of (width, height) pixels; the order of colours does not matter."""
    if image.dtype == np.uint16 and image.ndim == 3:
        return np.dstack([_resized(size, channel) for channel in np.moveaxis(image, 2, 0)])
    # Pillow has one channel of 16 bits only, which its older versions cannot resize.
    pixels = image.astype(np.float32) if image.dtype == np.uint16 else image
    resized: np.ndarray = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    if image.dtype == np.uint16:
        resized = np.clip(np.rint(resized), 0, 65535).astype(np.uint16)
    return resized
