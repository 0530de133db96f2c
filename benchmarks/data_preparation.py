"""Sub-images and smaller copies on all cores against one process, file by file, as JSON.

The plain forms do what the published scripts do for each file: no note, nothing flushed to disk.
``processor_seconds`` are those of all threads together, which other programs do not stretch.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from common import interleaved, report
from PIL import Image

from smoothkit.data.prepare.derive import Recipe, derive
from smoothkit.data.prepare.subimages import Crops
from smoothkit.data.samples import photograph
from smoothkit.ops.io import write_image
from smoothkit.systems.hggt_enhance.prepare.multiscale import Multiscale, smaller_sizes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rng = np.random.default_rng(0)
        base = cv2.resize(photograph("coffee"), (2040, 1356), interpolation=cv2.INTER_CUBIC)
        for index in range(args.images):  # with the grain of a camera, which decides the size
            grain = rng.normal(0, 3, base.shape)
            image = np.clip(np.roll(base, 200 * index, axis=1) + grain, 0, 255).astype(np.uint8)
            write_image(root / f"in/{index}.png", image)
        compare("sub-images", Crops(), plain_crops, root, args.repeats, args.images)
        compare("smaller copies", Multiscale(), plain_copies, root, args.repeats, args.images)


def compare(
    what: str,
    recipe: Recipe,
    plain: Callable[[Path, Path], None],
    root: Path,
    repeats: int,
    images: int,
) -> None:
    """Report times of a recipe on all cores, in one thread and in its plain form."""
    out = root / "out"
    processor: dict[str, float] = {}

    def timed(name: str, function: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            shutil.rmtree(out, ignore_errors=True)
            begin = time.process_time()
            function()
            processor[name] = time.process_time() - begin

        return run

    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(root / "in", out),
        "all cores": lambda: derive(recipe, [root / "in"], out),
        "one thread": lambda: derive(recipe, [root / "in"], out, workers=1),
    }
    seconds = interleaved({name: timed(name, way) for name, way in ways.items()}, repeats)
    report(
        what=f"{what} of images of 2040 x 1356 pixels",
        images=images,
        cores=os.cpu_count(),
        seconds_per_image={name: value / images for name, value in seconds.items()},
        processor_seconds={name: value / images for name, value in processor.items()},
        times_faster={name: seconds["plain"] / value for name, value in seconds.items()},
    )


def plain_crops(source: Path, out: Path) -> None:
    out.mkdir()
    params = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    for path in sorted(source.iterdir()):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        height, width = image.shape[:2]
        tops, lefts = ([*range(0, n - 511, 256), n - 512] for n in (height, width))
        number = 0
        for top in tops:
            for left in lefts:
                number += 1
                crop = np.ascontiguousarray(image[top : top + 512, left : left + 512])
                cv2.imwrite(str(out / f"{path.stem}_s{number:03d}.png"), crop, params)


def plain_copies(source: Path, out: Path) -> None:
    out.mkdir()
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            for number, size in enumerate(smaller_sizes(*image.size)):
                copy = image.resize(size, resample=Image.Resampling.LANCZOS)
                copy.save(out / f"{path.stem}T{number}.png")


if __name__ == "__main__":
    main()
