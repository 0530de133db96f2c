"""What is shown of a matte: the foreground cut out, and put before something else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from smoothkit.ops.io import read_image, to_float, to_uint8
from smoothkit.systems.lsa.foreground import (
    checkerboard,
    composite,
    estimate_foreground,
    multilevel_estimator,
    with_alpha,
)

CHECKERBOARD = "checkerboard"


class Cutouts:
    """Makes the pictures beside each alpha, in folders of their own.

    Args:
        out_dir: folder of the alphas; the pictures go to ``foreground`` and ``composite`` in it.
        has_foreground: make PNG files of the foreground's colours with alpha.
        is_deep: PNG files with 16 bits, also of images with 8.
        background: image file or ``checkerboard`` before which foregrounds are put; ~: none.

    Raises:
        DataError: pymatting is missing, or the background cannot be read.
    """

    def __init__(
        self,
        out_dir: str | Path,
        *,
        has_foreground: bool = False,
        background: str | None = None,
        is_deep: bool = False,
    ) -> None:
        self._out_dir = Path(out_dir)
        self._has_foreground, self._is_deep = has_foreground, is_deep
        self._background_name = background
        self._picture: np.ndarray | None = None
        if has_foreground or background is not None:
            multilevel_estimator()  # before a long run, not at the end of its first image
        if background is not None and background != CHECKERBOARD:
            self._picture = to_float(read_image(background, alpha="drop"))

    def paths(self, alpha_path: Path) -> tuple[Path, ...]:
        """The files that belong to an alpha's."""
        inside = alpha_path.relative_to(self._out_dir).with_suffix(".png")
        has_composite = self._background_name is not None
        folders = {"foreground": self._has_foreground, "composite": has_composite}
        return tuple(self._out_dir / name / inside for name, wanted in folders.items() if wanted)

    def background_of(self, path: Path) -> str | None:
        """The image file or ``checkerboard`` in one of the pictures; None in a foreground's."""
        is_composite = path.is_relative_to(self._out_dir / "composite")
        return self._background_name if is_composite else None

    def __call__(
        self, alpha_path: Path, image: np.ndarray, alpha: np.ndarray
    ) -> dict[Path, np.ndarray]:
        """The pictures by their files.

        Args:
            alpha_path: file of the alpha.
            image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16.
            alpha: (H, W) float32 in [0, 1].
        """
        paths = self.paths(alpha_path)
        if not paths:
            return {}
        colors = np.dstack([image] * 3) if image.ndim == 2 else image[..., :3]
        foreground = estimate_foreground(to_float(colors), alpha)
        pictures = []
        if self._has_foreground:
            is_deep = self._is_deep or image.dtype == np.uint16
            pictures.append(with_alpha(foreground, alpha, depth=16 if is_deep else 8))
        if self._background_name is not None:
            background = self._background(*alpha.shape)
            pictures.append(to_uint8(composite(foreground, background, alpha)))
        return dict(zip(paths, pictures, strict=True))

    def _background(self, height: int, width: int) -> np.ndarray:
        if self._picture is None:
            return checkerboard(height, width)
        return covering(self._picture, height, width)


def covering(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of a picture, resized to fill a size without changing its proportions."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = [
        max(wanted, round(side * scale))
        for side, wanted in zip(picture.shape[1::-1], (width, height), strict=True)
    ]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, size, interpolation=how)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.clip(large[top : top + height, left : left + width], 0, 1)
