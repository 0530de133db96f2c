"""What notes cost: a filter on a folder of images with and without them, as JSON.

Each image is filtered with a note and without one, in turn, so that a busy moment strikes both
alike. Times are medians of what an image takes, by the clock and of the processor; opening and
closing the note is shared out among the images. ``second_run_seconds`` is a run that finds
everything up to date.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from common import report

from smoothkit.core.files import write_bytes
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note
from smoothkit.ops.filters import apply_filter
from smoothkit.ops.io import decode_image, encode_image, read_bytes, write_image

SETTINGS = {"sigma_color": 0.1, "sigma_space": 4.0}

# Seconds by the clock and of the processor.
Times = tuple[float, float]


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
        plain, noted, around = first_run(root)
        start = time.perf_counter()
        with Note(root / "noted") as note:
            assert not due_of(note, files_of(root))
        second = time.perf_counter() - start
    milliseconds, shares = {}, {}
    for place, clock in enumerate(("clock", "processor")):
        of_plain, of_noted = (median(t[place] for t in times) for times in (plain, noted))
        cost = of_noted - of_plain + around[place] / args.images
        milliseconds |= {f"image_{clock}": 1000 * of_plain, f"note_{clock}": 1000 * cost}
        shares[clock] = 100 * cost / of_plain
    report(
        what=f"notes of {args.images} images of {args.side} x {args.side} pixels",
        milliseconds=milliseconds,
        note_share_percent=shares,
        second_run_seconds=second,
    )


def files_of(root: Path) -> dict[Path, Path]:
    """Input by result."""
    return {root / "noted" / path.name: path for path in sorted((root / "in").iterdir())}


def due_of(note: Note, files: dict[Path, Path]) -> set[Path]:
    def origin(target: Path) -> Origin:
        return Origin({"image": note.file(files[target])}, settings=SETTINGS)

    return note.due(files, origin, what_to_do="")


def first_run(root: Path) -> tuple[list[Times], list[Times], Times]:
    """Times of each image without and with a note, and of what is done once for the note."""
    files = files_of(root)
    plain: list[Times] = []
    noted: list[Times] = []
    note = Note(root / "noted")

    def without(target: Path) -> None:
        result = filtered(read_bytes(files[target]))
        write_bytes(root / "plain" / target.name, result)

    def with_note(target: Path) -> None:
        result = filtered(note.read(files[target]))
        note.write(target, result, Origin({"image": note.file(files[target])}, settings=SETTINGS))

    before = timed(lambda: due_of(note, files))
    for number, target in enumerate(files):
        turns = [(without, plain), (with_note, noted)]
        for function, times in reversed(turns) if number % 2 else turns:
            times.append(timed(lambda function=function, target=target: function(target)))
    after = timed(lambda: note.__exit__(None, None, None))
    return plain, noted, (before[0] + after[0], before[1] + after[1])


def filtered(data: bytes) -> bytes:
    return encode_image(apply_filter("bilateral", decode_image(data, "input"), SETTINGS))


def timed(function: Callable[[], object]) -> Times:
    clock, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
