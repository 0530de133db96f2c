"""A small composition data set in the folders that the matting option files name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from smoothkit.systems.lsa.samples import make_sample_foregrounds
from smoothkit.systems.lsa.trimap import make_trimap

SIDE = 72


def picture(rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """(side, side, 3) uint8 of smooth colours."""
    return cv2.resize(rng.integers(0, 256, (3, 3, 3), np.uint8), (side, side))


def make_matting_data(root: Path) -> None:
    """``root/datasets/matting_demo/{train,val}`` from drawn pictures."""
    rng = np.random.default_rng(0)
    train, val = (root / "datasets/matting_demo" / part for part in ("train", "val"))
    photographs = []
    for folder in (train / "coco_bg", train / "kappa_fg", val / "merged"):
        folder.mkdir(parents=True)
    for name in ("trimaps", "alpha_copy"):
        (val / name).mkdir()
    for number in range(3):
        photographs.append(train / f"coco_bg/{number}.png")
        cv2.imwrite(str(photographs[-1]), picture(rng))
    names = make_sample_foregrounds(photographs, train, num_each=1, side=SIDE)
    for name in names:
        (train / f"fg/{name}.png").rename(train / f"kappa_fg/{name}.png")
    for name in names[:2]:
        make_test_image(val, name, train, rng)


def make_test_image(
    out_dir: Path, name: str, train: Path, rng: np.random.Generator, radius: int = 4
) -> None:
    """The foreground ``name`` of ``train`` before another background, as a test set has it."""
    foreground = cv2.imread(str(train / f"kappa_fg/{name}.png")).astype(float)
    alpha = cv2.imread(str(train / f"alpha/{name}.png"), cv2.IMREAD_GRAYSCALE)
    share = alpha[..., None] / 255
    merged = (foreground * share + picture(rng) * (1 - share)).round().astype(np.uint8)
    cv2.imwrite(str(out_dir / f"merged/{name}_0.png"), merged)
    cv2.imwrite(str(out_dir / f"alpha_copy/{name}_0.png"), alpha)
    trimap = make_trimap(alpha, radius, radius)
    cv2.imwrite(str(out_dir / f"trimaps/{name}_0.png"), trimap)
