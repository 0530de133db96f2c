"""Crops of large images, on a grid: small files that training reads quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.prepare.derive import Make
from smoothkit.ops.io import ImageHeader

# Crop and step of the data sets: 'enhancement' as the option files of HGGT's enhancement networks
# name their folder, 'sr' as its published script and its option files of super-resolution.
PRESETS: Mapping[str, tuple[int, int]] = {"enhancement": (400, 200), "sr": (512, 256)}

# Downsampled copies are called <name>x2 and so on; their crops get the name without it.
_SCALE_MARKS = ("x2", "x3", "x4", "x8")


class TooSmallError(DataError):
    """An image that is smaller than the crop."""


@dataclass(frozen=True)
class Crops:
    """A recipe for ``derive``: square crops, row by row, in the format and depth of the image.

    Args:
        crop_size: side, in pixels.
        step: from one crop to the next, in pixels.
        thresh_size: pixels at the right and lower end that may be left uncovered; more of them get
            a crop of their own, which ends where the image does.
        compression_level: of PNGs, 0 to 9.

    Raises:
        ValueError: out of range.

    Source: HGGT (arXiv 2303.13069), published script, with its names. Differs: images with an EXIF
    orientation are cropped upright, and small images are told, which were lost without a message.
    """

    crop_size: int = 512
    step: int = 256
    thresh_size: int = 0
    compression_level: int = 3

    def __post_init__(self) -> None:
        least = {"crop_size": 1, "step": 1, "thresh_size": 0, "compression_level": 0}
        for name, value in asdict(self).items():
            if value < least[name]:
                raise ValueError(f"{name}: must be {least[name]} or more, got {value}.")
        if self.compression_level > 9:
            raise ValueError(f"compression_level: must be 9 or less, got {self.compression_level}.")

    def settings(self) -> dict[str, Any]:
        """What decides the crops of an image."""
        return asdict(self)

    def params(self, suffix: str) -> tuple[int, ...]:
        """The compression of PNGs; other formats are written as OpenCV does by default."""
        return (cv2.IMWRITE_PNG_COMPRESSION, self.compression_level) if suffix == ".png" else ()

    def stem_of(self, path: Path) -> str:
        """The name without extension and marks of a scale (``x2``, ``x3``, ``x4``, ``x8``)."""
        stem = path.stem
        for mark in _SCALE_MARKS:
            stem = stem.replace(mark, "")
        return stem

    def owner_of(self, name: str) -> str:
        """What stands before the number of a crop."""
        return name.rpartition("_s")[0]

    def results(self, path: Path, header: ImageHeader) -> dict[str, Make]:
        """``<stem>_s001<extension>`` and so on.

        Raises:
            TooSmallError: the image is smaller than a crop.
        """
        size = self.crop_size
        if min(header.height, header.width) < size:
            raise TooSmallError(
                f"{path}: is smaller than the crop of {size}x{size}, got "
                f"{header.height}x{header.width}."
            )
        corners = [
            (top, left) for top in self.starts(header.height) for left in self.starts(header.width)
        ]
        return {
            f"{self.stem_of(path)}_s{number:03d}{path.suffix}": partial(_crop, top, left, size)
            for number, (top, left) in enumerate(corners, 1)
        }

    def starts(self, length: int) -> list[int]:
        """Where crops begin along a side of ``length`` pixels, which is at least that of a crop."""
        found = list(range(0, length - self.crop_size + 1, self.step))
        if length - (found[-1] + self.crop_size) > self.thresh_size:
            found.append(length - self.crop_size)
        return found


def _crop(top: int, left: int, size: int, image: np.ndarray) -> np.ndarray:
    return image[top : top + size, left : left + size]
