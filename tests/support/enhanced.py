"""Originals and enhanced versions on disk, and the trees of files that tools make of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import write_image


def picture(seed: int, height: int = 90, width: int = 110) -> np.ndarray:
    """Soft noise with a flat left part, (H, W, 3) BGR."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 1.5)
    soft[:, : width // 3] = 0
    return np.clip(128 + 80 * soft / soft.std(), 0, 255).astype(np.uint8)


def sharper(image: np.ndarray, gain: float) -> np.ndarray:
    """The image with its detail amplified, and a little brighter."""
    detail = image.astype(float) - cv2.GaussianBlur(image.astype(float), (0, 0), 2)
    return np.clip(image + gain * detail + gain, 0, 255).astype(np.uint8)


def make_sets(
    root: Path,
    names: Iterable[str] = ("a.png", "b.png", "c.png"),
    versions: Sequence[str] = ("01", "02"),
) -> Path:
    """``original/<name>`` and ``<version>/<stem>_<version>.png``; returns ``root``."""
    for seed, name in enumerate(names):
        image = picture(seed)
        write_image(root / "original" / name, image)
        for number, version in enumerate(versions, 1):
            path = root / version / f"{Path(name).stem}_{version}.png"
            write_image(path, sharper(image, 0.5 * number))
    return root


def tree(root: Path) -> dict[str, bytes | None]:
    """Content of every file below ``root`` but for the note, whose lines have no order.

    Empty folders are there with None.
    """
    paths = [path for path in sorted(root.rglob("*")) if path.name != NOTE]
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in paths
        if path.is_file() or not any(path.iterdir())
    }
