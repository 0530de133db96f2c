"""What notes cost: a filter on a folder of images with and without them, as JSON.

``second_run_seconds`` is a run that finds everything up to date, ``filter_seconds`` all the rest
of the first one: reading, filtering, encoding and writing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from common import report

from smoothkit.core.files import write_bytes
from smoothkit.data.provenance import Note, Origin
from smoothkit.ops.filters import apply_filter
from smoothkit.ops.io import encode_image, read_image, write_image

SETTINGS = {"sigma_color": 0.1, "sigma_space": 4.0}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(args.images):
            rng = np.random.default_rng(number)
            coarse = rng.integers(0, 256, (args.side // 8, args.side // 8, 3), np.uint8)
            write_image(root / f"in/{number}.png", coarse.repeat(8, 0).repeat(8, 1))
        first, notes = run(root)
        second, _ = run(root)
    report(
        what=f"notes of {args.images} images of {args.side} x {args.side} pixels",
        filter_seconds=first - notes,
        note_seconds=notes,
        note_share_percent=100 * notes / (first - notes),
        second_run_seconds=second,
    )


def run(root: Path) -> tuple[float, float]:
    """Seconds of all, and of what is done for notes."""
    begin = time.perf_counter()
    files = {root / "out" / path.name: path for path in sorted((root / "in").iterdir())}
    with Note(root / "out") as note:
        origins = {
            target: Origin({"image": note.file(source)}, settings=SETTINGS)
            for target, source in files.items()
        }
        due = note.due(origins, what_to_do="")
        seconds = time.perf_counter() - begin
        for target in sorted(due):
            image = apply_filter("bilateral", read_image(files[target]), SETTINGS)
            content = encode_image(image)
            start = time.perf_counter()
            digest = note.claim(target, content, origins[target])
            seconds += time.perf_counter() - start
            write_bytes(target, content)
            start = time.perf_counter()
            note.keep(target, digest)
            seconds += time.perf_counter() - start
        start = time.perf_counter()
    end = time.perf_counter()
    return end - begin, seconds + end - start


if __name__ == "__main__":
    main()
