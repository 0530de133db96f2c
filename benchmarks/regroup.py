"""Groups of patches by copies and by links, as JSON; ``plain`` is shutil.copyfile in a loop.

Every run goes into a folder of its own, on the disk of --folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from common import interleaved, report

from smoothkit.systems.hggt_enhance.prepare.picture_sets import find_sets
from smoothkit.systems.hggt_enhance.prepare.regroup import groups_of, regroup

VERSIONS = ("original", "01", "02", "03", "04")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--kilobytes", type=int, default=480, help="of a patch of 512 pixels")
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root = Path(folder)
        make_sets(root / "in", args.sets, args.kilobytes)
        seconds = interleaved(
            {
                "plain": anew(root, lambda out: plain(root / "in", out)),
                "copies": anew(root, lambda out: regroup(root / "in", out, num_imgs=100)),
                "symbolic": anew(
                    root, lambda out: regroup(root / "in", out, num_imgs=100, link="symbolic")
                ),
                "hard": anew(
                    root, lambda out: regroup(root / "in", out, num_imgs=100, link="hard")
                ),
            },
            args.repeats,
        )
    report(
        what=f"{args.sets} sets of {len(VERSIONS)} files of {args.kilobytes} kilobytes",
        seconds=seconds,
        times_faster_than_copies={name: seconds["copies"] / s for name, s in seconds.items()},
        times_faster_than_plain={name: seconds["plain"] / s for name, s in seconds.items()},
    )


def make_sets(root: Path, count: int, kilobytes: int) -> None:
    for version in VERSIONS:
        (root / version).mkdir(parents=True)
        suffix = "" if version == "original" else f"_{version}"
        for number in range(count):
            path = root / version / f"{number:05d}-0-0{suffix}.png"
            path.write_bytes(os.urandom(kilobytes * 1024))


def anew(root: Path, run: Callable[[Path], object]) -> Callable[[], object]:
    """The run, into a folder that was not there before."""
    return lambda: run(Path(tempfile.mkdtemp(dir=root)) / "out")


def plain(source: Path, out: Path) -> None:
    for group in groups_of(find_sets(source), 100, 3, 0):
        for pictures in group.sets:
            for version, path in pictures.files.items():
                target = out / group.images / version / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


if __name__ == "__main__":
    main()
