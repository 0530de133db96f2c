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
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note
from smoothkit.ops.filters import apply_filter
from smoothkit.ops.io import decode_image, encode_image, read_bytes, write_image

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
    files = {root / "out" / path.name: path for path in sorted((root / "in").iterdir())}
    begin = time.perf_counter()
    with Note(root / "out") as note:

        def origin(target: Path) -> Origin:
            return Origin({"image": note.file(files[target])}, settings=SETTINGS)

        due = note.due(files, origin, what_to_do="")
        seconds = time.perf_counter() - begin
        for target in sorted(due):
            start = time.perf_counter()
            data = note.read(files[target])
            seconds += time.perf_counter() - start
            start = time.perf_counter()
            read_bytes(files[target])  # what reading costs without a note
            seconds -= time.perf_counter() - start
            image = apply_filter("bilateral", decode_image(data, target.name), SETTINGS)
            content = encode_image(image)
            start = time.perf_counter()
            digest = note.claim(target, content, origin(target))
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
