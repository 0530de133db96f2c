"""Patches of 2K images with four versions, against one process that goes step by step, as JSON.

The straight version reads with Pillow, takes the figures of each patch with numpy and saves with
Pillow's own compression. Names, text files and pixels of both are asserted to be the same.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from multiprocessing import Process
from pathlib import Path

import cv2
import numpy as np
from common import interleaved, peak_megabytes, report
from PIL import Image

from smoothkit.data.samples import photograph
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.hggt_enhance.prepare.patch_select import INFO_FILE, select_patches

VERSIONS = {"01": 0.2, "02": 0.5, "03": 1.0, "04": 2.0}
HEIGHT, WIDTH, CROP, STEP = 1404, 2040, 512, 288


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(args.images):
            # Elsewhere: the memory that it takes is none of the selection's.
            maker = Process(target=make_set, args=(root / "in", number))
            maker.start()
            maker.join()
        runs = iter(range(1000))
        select_patches(root / "in", root / "ours")
        peak_mb = peak_megabytes()
        straight(root / "in", root / "straight", seed=0)
        compare(root / "ours", root / "straight")
        seconds = interleaved(
            {
                "straight": lambda: straight(root / "in", root / f"straight{next(runs)}", seed=0),
                "ours": lambda: select_patches(root / "in", root / f"ours{next(runs)}"),
                "ours, one worker": lambda: select_patches(
                    root / "in", root / f"ours{next(runs)}", workers=1
                ),
                "ours, nothing to do": lambda: select_patches(root / "in", root / "ours"),
            },
            args.repeats,
            warmup=0,
        )
        # Of all threads: other programs on the machine lengthen that less.
        cpu = {
            "straight": cpu_seconds(lambda: straight(root / "in", root / "s", seed=0)),
            "ours": cpu_seconds(lambda: select_patches(root / "in", root / "o")),
        }
        megabytes = {name: size_mb(root / name) for name in ("ours", "straight")}
    report(
        what=f"{args.images} images of {HEIGHT} x {WIDTH} with {len(VERSIONS)} versions",
        seconds=seconds,
        times_faster={name: seconds["straight"] / seconds[name] for name in seconds},
        cpu_seconds=cpu,
        peak_memory_mb_of_ours=peak_mb,
        patches_mb=megabytes,
    )


def cpu_seconds(function: Callable[[], object]) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def make_set(root: Path, number: int) -> None:
    """Photographs beside each other with the noise of a camera, and sharper versions."""
    tiles = [photograph(name) for name in ("astronaut", "chelsea", "coffee", "rocket")]
    tiles = [
        cv2.resize(tile, (WIDTH // 3, HEIGHT // 3), interpolation=cv2.INTER_CUBIC) for tile in tiles
    ]
    rows = [np.hstack([tiles[(number + i + j) % 4] for j in range(3)]) for i in range(3)]
    noise = np.random.default_rng(number).normal(0, 1.5, (HEIGHT, WIDTH, 3))
    image = np.clip(np.rint(np.vstack(rows) + noise), 0, 255)
    write_image(root / f"original/{number:04d}.png", image.astype(np.uint8))
    detail = image - cv2.GaussianBlur(image, (0, 0), 1.5)
    for version, gain in VERSIONS.items():
        sharper = np.clip(np.rint(image + gain * detail), 0, 255).astype(np.uint8)
        write_image(root / f"{version}/{number:04d}_{version}.png", sharper)


def straight(source: Path, out: Path, seed: int) -> None:
    """The rule of the patches, word by word."""
    random.seed(seed)
    for folder in ("original", *VERSIONS):
        (out / folder).mkdir(parents=True)
    index = 0
    for file in sorted((source / "original").iterdir()):
        paths = {version: source / version / f"{file.stem}_{version}.png" for version in VERSIONS}
        images = {v: Image.open(p).convert("RGB") for v, p in {"original": file, **paths}.items()}
        kept = []
        width, height = images["original"].size
        top_start, left_start = (random.randint(0, start(side)) for side in (height, width))
        for row in range(top_start, height, STEP):
            for column in range(left_start, width, STEP):
                top = max(row + random.randint(-16, 16), 0)
                left = max(column + random.randint(-16, 16), 0)
                if top + CROP > height or left + CROP > width:
                    continue
                box = (left, top, left + CROP, top + CROP)
                crops = {version: image.crop(box) for version, image in images.items()}
                if any(passes(crop) for crop in crops.values()):
                    pixels = {v: np.asarray(crop).astype(np.float32) for v, crop in crops.items()}
                    dist = max(abs(np.mean(pixels["original"] - pixels[v])) for v in VERSIONS)
                    kept.append((dist, len(kept), top, left, crops))
        for dist, _, top, left, crops in sorted(kept, key=lambda k: k[:2], reverse=True):
            index += 1
            for version, crop in crops.items():
                suffix = "" if version == "original" else f"_{version}"
                crop.save(out / version / f"{file.stem}-{top}-{left}{suffix}.png")
            with (out / INFO_FILE).open("a") as text:
                text.write(f"{file.stem}-{top}-{left}-{dist:.4f}-{index}.png\n")


def start(side: int) -> int:
    return 128 if side >= 2400 else 64 if side >= 1200 else 32


def passes(crop: Image.Image) -> bool:
    grey = np.asarray(crop.convert("L"))
    detail = cv2.Laplacian(grey, cv2.CV_8U, ksize=1, borderType=cv2.BORDER_REFLECT_101)
    return bool(grey.std() >= 30 and detail.var() >= 30)


def compare(ours: Path, other: Path) -> None:
    assert (ours / INFO_FILE).read_text() == (other / INFO_FILE).read_text()
    for folder in ("original", *VERSIONS):
        names = sorted(path.name for path in (other / folder).iterdir())
        assert names == sorted(path.name for path in (ours / folder).iterdir())
        for name in names:
            first, second = (read_image(root / folder / name) for root in (ours, other))
            assert np.array_equal(first, second), name


def size_mb(root: Path) -> float:
    return sum(path.stat().st_size for path in root.rglob("*-*.png")) / 2**20


if __name__ == "__main__":
    main()
