"""A small VOC with textures and smooth images, and VOC-smooth made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from smoothkit.core.files import write_bytes
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import write_image
from smoothkit.ops.labels import encode_labels
from smoothkit.systems.csgis.plan import Recipe
from smoothkit.systems.csgis.prepare import Summary, make_voc_smooth
from smoothkit.systems.csgis.voc import Sources

STEMS = ("2007_01", "2007_02", "2007_03", "2007_04")
SIZE = (12, 10)
QUICK = Recipe(
    gt_filter="bilateral",
    over_filters=("l0:lam=0.05", "bilateral_opencv:d=5"),
    val_fraction=0.5,
    num_val_small=1,
)
DEMO = Recipe(
    gt_filter="bilateral",
    over_filters=("l0:lam=0.1", "bilateral:sigma_color=0.8"),
    val_fraction=0.2,
    num_val_small=1,
    num_classes=6,
)


def pixels(name: str, size: tuple[int, int] = SIZE) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return rng.integers(0, 256, (*size, 3)).astype(np.uint8)


def labels_of(name: str) -> np.ndarray:
    labels = pixels(name)[..., 0] % 3
    labels[0] = 255
    return labels


def write_voc(root: Path) -> None:
    """VOC of four images, two textures, and smooth and over-smoothed images to give or not."""
    for stem in STEMS:
        write_image(root / f"voc/JPEGImages/{stem}.png", pixels(stem))
        write_bytes(root / f"voc/SegmentationClass/{stem}.png", encode_labels(labels_of(stem)))
        for folder in ("gt", "over"):
            write_image(root / folder / f"{stem}.png", pixels(folder + stem))
    for name in ("brick", "wood"):
        write_image(root / f"tx/{name}.png", pixels(name, (5, 4)))


def make(
    root: Path, recipe: Recipe = QUICK, out: str = "out", overwrite: bool = False, **chosen: Any
) -> Summary:
    sources = Sources(root / "voc", root / "tx", **chosen)
    return make_voc_smooth(sources, root / out, recipe, workers=1, overwrite=overwrite)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but notes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != NOTE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def make_voc_demo(root: Path) -> None:
    """``root/datasets/VOC-smooth_demo``: 4 textures over 3 ground truths of areas."""
    rng = np.random.default_rng(0)
    for name in "abc":
        classes = rng.integers(0, 6, (4, 5)).astype(np.uint8)
        photo = (40 * classes[..., None] + rng.integers(0, 50, 3)).astype(np.uint8)
        size = {"dsize": (60, 48), "interpolation": cv2.INTER_NEAREST}
        write_image(root / f"voc/JPEGImages/{name}.png", cv2.resize(photo, **size))
        mask = encode_labels(cv2.resize(classes, **size))
        write_bytes(root / f"voc/SegmentationClass/{name}.png", mask)
    for index in range(4):
        write_image(root / f"tx/{index}.png", rng.integers(60, 190, (9, 9, 3)).astype(np.uint8))
    make_voc_smooth(Sources(root / "voc", root / "tx"), root / "datasets/VOC-smooth_demo", DEMO)
