"""Training samples per second in one process: pairs decoded and jittered by PIL against ours.

Prints JSON. The baseline decodes a blended pair, crops, resizes, flips, rotates and jitters as the
published data set does, with PIL and torchvision.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision.transforms.functional as TF
from common import interleaved, report
from PIL import Image

from smoothkit.data import build_dataset
from smoothkit.data.base import sample_rng
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.prepare.blending import blend_folder
from smoothkit.data.samples import photograph, photograph_crops, sample_textures
from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image

PATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100, help="per measurement")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    # One worker is one thread.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pairs(root)
        sources = {
            "plain PIL": plain(root),
            "pairs, png": ours(blended_pairs(root / "train", root)),
            "pairs, bmp lmdb": ours(blended_pairs(root / "train.lmdb", root)),
            "blended on line": ours(
                {
                    "type": "OnlineBlendDataset",
                    "dataroot_gt": str(root / "gt"),
                    "dataroot_texture": str(root / "textures"),
                }
            ),
        }
        seconds = interleaved(
            {
                name: lambda draw=draw: [draw() for _ in range(args.samples)]
                for name, draw in sources.items()
            },
            args.repeats,
        )
    rates = {name: args.samples / value for name, value in seconds.items()}
    report(
        what=f"training samples per second and worker, patches of {PATCH}",
        samples_per_second=rates,
        times_faster={name: rate / rates["plain PIL"] for name, rate in rates.items()},
    )


def make_pairs(root: Path) -> None:
    crops = photograph_crops(photograph("coffee"), 400, 500)[:2]
    for index, crop in enumerate(crops):
        write_image(root / "gt" / f"{index}.png", cv2.resize(crop, (500, 400)))
    for name, texture in itertools.islice(sample_textures(1, 0, is_test=False), 4):
        write_image(root / "textures" / f"{name}.png", texture)
    blend_folder(root / "textures", root / "gt", root)
    create_lmdb(open_store(root / "train"), root / "train.lmdb", encoding="bmp")


def blended_pairs(pairs: Path, root: Path) -> dict[str, object]:
    return {
        "type": "BlendedPairDataset",
        "dataroot": str(pairs),
        "dataroot_edge": str(root / "edge"),
    }


def ours(section: dict[str, object]) -> Callable[[], object]:
    dataset = build_dataset({**section, "patch_size": PATCH, "augment": True, "color": "bgr"})
    numbers = itertools.count()

    def draw() -> object:
        number = next(numbers)
        return dataset.get(number % len(dataset), sample_rng(0, number))

    return draw


def plain(root: Path) -> Callable[[], object]:
    pairs = sorted((root / "train").glob("*.png"))
    edges = sorted((root / "edge").glob("*.png"))
    random.seed(0)

    def draw() -> object:
        number = random.randrange(len(pairs))
        pair = np.asarray(Image.open(pairs[number]).convert("RGB"))
        edge = np.asarray(Image.open(edges[number % len(edges)]).convert("L"))
        height, width = pair.shape[0], pair.shape[1] // 2
        rows, cols = (PATCH + random.randint(-PATCH // 4, PATCH // 4) for _ in range(2))
        top, left = random.randrange(height - rows), random.randrange(width - cols)
        angle, is_flipped = random.randrange(-45, 45), random.random() > 0.5
        hue, contrast, bright = (random.uniform(*r) for r in ((-0.3, 0.3), (0.3, 1.7), (0.3, 1.7)))
        window = np.s_[top : top + rows, left : left + cols]
        images = [pair[:, :width][window], pair[:, width:][window], edge[window]]
        moved = []
        for image in images:
            patch = Image.fromarray(image).resize((PATCH, PATCH), Image.Resampling.BILINEAR)
            patch = TF.hflip(patch) if is_flipped else patch
            moved.append(TF.rotate(patch, angle, TF.InterpolationMode.BILINEAR))
        for k in range(2):
            jittered = TF.adjust_contrast(TF.adjust_hue(moved[k], hue), contrast)
            moved[k] = TF.adjust_brightness(jittered, bright)
        return [TF.to_tensor(image) for image in moved]

    return draw


if __name__ == "__main__":
    main()
