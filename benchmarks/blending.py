"""Making pairs on all cores against one process that does it pair by pair, as JSON."""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from common import interleaved, report

from smoothkit.data.prepare.blending import blend_folder
from smoothkit.data.samples import photograph, sample_textures
from smoothkit.ops.io import write_image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ground_truths", type=int, default=8)
    parser.add_argument("--textures", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = cv2.resize(photograph("coffee"), (500, 400))
        for index in range(args.ground_truths):
            smooth = cv2.bilateralFilter(np.roll(base, 50 * index, axis=1), 9, 60, 9)
            write_image(root / "gt" / f"{index}.png", smooth)
        for name, tile in itertools.islice(sample_textures(2, 0, is_test=False), args.textures):
            write_image(root / "textures" / f"{name}.png", tile)
        out = root / "out"
        seconds = interleaved(
            {
                "plain": lambda: plain(root / "textures", root / "gt", out),
                "all cores": lambda: ours(root, out, None),
                "one thread": lambda: ours(root, out, 1),
            },
            args.repeats,
        )
    pairs = args.ground_truths * args.textures
    report(
        what="blended pairs of 400 x 500 pixels",
        pairs=pairs,
        cores=os.cpu_count(),
        milliseconds_per_pair={name: 1000 * value / pairs for name, value in seconds.items()},
        times_faster={name: seconds["plain"] / value for name, value in seconds.items()},
    )


def ours(root: Path, out: Path, workers: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    blend_folder(root / "textures", root / "gt", out, workers=workers)


def plain(textures: Path, gts: Path, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    (out / "train").mkdir(parents=True)
    names = sorted(os.listdir(gts))
    for t, texture_name in enumerate(sorted(os.listdir(textures))):
        for b, gt_name in enumerate(names):
            gt = cv2.imread(str(gts / gt_name)).astype(np.float64)
            texture = cv2.imread(str(textures / texture_name)).astype(np.float32)
            grey = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY)
            height, width = gt.shape[:2]
            counts = (-(-height // grey.shape[0]), -(-width // grey.shape[1]))
            tiled = np.tile(grey, counts)[:height, :width]
            tiled = tiled - tiled.mean()
            pair = np.concatenate([gt, gt + tiled[..., None]], axis=1)
            cv2.imwrite(str(out / "train" / f"{t * len(names) + b}.png"), pair)


if __name__ == "__main__":
    main()
