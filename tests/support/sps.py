"""A small SPS set: textures over ground truths, and edges."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from smoothkit.data.prepare.blending import blend_folder
from smoothkit.data.prepare.splitting import split_val


def make_sps(root: Path) -> None:
    """``root/datasets/SPS_demo`` of 4 textures over 3 ground truths."""
    rng = np.random.default_rng(0)
    for folder, count, side in (("textures", 4, 9), ("smooth", 3, 6)):
        (root / folder).mkdir()
        for index in range(count):
            image = rng.integers(60, 190, (side, side, 3), np.uint8)
            if folder == "smooth":
                image = cv2.resize(image, (64, 56), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(root / folder / f"{index}.png"), image)
    target = root / "datasets" / "SPS_demo"
    blend_folder(root / "textures", root / "smooth", target)
    split_val(target / "train", target / "val", fraction=0.2)
