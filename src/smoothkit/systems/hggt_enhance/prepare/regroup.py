"""Sets of patches in groups, one for each annotator.

Layout, for the first of groups of 1000: ``01_subdir/images0-1000/{original,01,...}/`` with the
files, ``01_subdir/labels0-1000/tagging/`` for labels, ``01_subdir/img_info_0-1000.txt`` with the
names of the originals, whose note tells what was grouped, and how.
"""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, remove_leftovers, text_bytes, write_bytes
from smoothkit.core.log import warn_once
from smoothkit.core.parallel import in_threads
from smoothkit.data.file_hashes import digest_of
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note, refuse
from smoothkit.ops.io import read_bytes
from smoothkit.systems.hggt_enhance.prepare.picture_sets import (
    ORIGINAL,
    PictureSet,
    check_places,
    find_sets,
)

log = logging.getLogger(__name__)

Link = Literal["symbolic", "hard"]

_ADVICE = "Give an empty folder."


@dataclass(frozen=True)
class Group:
    """The sets of one annotator.

    Args:
        number: from 1 on.
        start, end: of its sets in the shuffled list; the end of the last group may lie beyond.
        sets: by file name of their originals.
    """

    number: int
    start: int
    end: int
    sets: Sequence[PictureSet]

    @property
    def folder(self) -> str:
        """Its name."""
        return f"{self.number:02d}_subdir"

    @property
    def images(self) -> Path:
        """Where its images go, in the folder of all groups."""
        return Path(self.folder, f"images{self.start}-{self.end}")

    @property
    def labels(self) -> Path:
        """Where its labels are to go."""
        return Path(self.folder, f"labels{self.start}-{self.end}", "tagging")

    @property
    def info(self) -> Path:
        """The list of its originals."""
        return Path(self.folder, f"img_info_{self.start}-{self.end}.txt")


def regroup(
    img_path: str | Path,
    save_path: str | Path,
    *,
    num_imgs: int = 1000,
    shuffle_nums: int = 3,
    seed: int = 0,
    link: Link | None = None,
    workers: int | None = None,
) -> list[Group]:
    """Put shuffled sets into groups; the sources stay as they are.

    A second run adds what is missing. Nothing is ever replaced or removed: people's labels belong
    to groups as they are.

    Args:
        img_path: has ``original`` and a folder for each version; see ``find_sets``.
        save_path: made where missing.
        num_imgs: sets of a group.
        shuffle_nums: how many times the list is shuffled.
        seed: of the shuffling.
        link: ``symbolic`` (relative) or ``hard`` links in place of copies; hard ones become copies
            where the file system cannot hold them, which is logged.
        workers: copies at a time; None for one for each usable CPU.

    Raises:
        DataError: images are missing; ``save_path`` has groups of other sets or by other settings,
            or a file with other content; a file cannot be written.

    Source: regroup.py of HGGT; same groups at the same seed and order of files. Differs: files are
    sorted by name, and copied without a shell.
    """
    out_dir = Path(save_path)
    check_places(img_path, out_dir)
    sets = find_sets(img_path)
    groups = groups_of(sets, num_imgs, shuffle_nums, seed)
    for folder in (out_dir, *(out_dir / group.folder for group in groups)):
        remove_leftovers(folder)
    names = [list(sets[0].files), *(pictures.files[ORIGINAL].name for pictures in sets)]
    every = (Path(img_path).name, digest_of(text_bytes(as_json(names))))
    settings = {"num_imgs": num_imgs, "shuffle_nums": shuffle_nums, "seed": seed, "link": link}
    with Note(out_dir) as note:
        # First: they tell what groups these are, to a run that goes on, too.
        _write_lists(groups, note, Origin({"sets of": every}, settings=settings))
    for group in groups:
        _make_folder(out_dir / group.labels)
    total = sum(len(pictures.files) for pictures in sets)
    with tqdm(total=total, unit="file", disable=not sys.stderr.isatty()) as bar:
        for group in groups:
            for _ in _fill(group, out_dir, link, workers):
                bar.update()
    return groups


def groups_of(
    sets: Sequence[PictureSet], num_imgs: int, shuffle_nums: int, seed: int
) -> list[Group]:
    """The sets, shuffled and cut into groups."""
    rng, shuffled = random.Random(seed), list(sets)
    for _ in range(shuffle_nums):
        rng.shuffle(shuffled)
    return [
        Group(number, start, start + num_imgs, _by_name(shuffled[start : start + num_imgs]))
        for number, start in enumerate(range(0, len(shuffled), num_imgs), 1)
    ]


def _by_name(sets: Sequence[PictureSet]) -> list[PictureSet]:
    return sorted(sets, key=lambda pictures: pictures.files[ORIGINAL].name)


def _write_lists(groups: Sequence[Group], note: Note, origin: Origin) -> None:
    """Write the lists of originals, unless the folder has other groups.

    Raises:
        DataError: it has.
    """
    held = sorted(note.folder.glob("*_subdir/img_info_*.txt"))
    standings = {path: note.standing(path, lambda: origin) for path in held}
    refuse([path for path, s in standings.items() if s.kind == "unknown"], _ADVICE)
    for path, standing in standings.items():
        if standing.kind == "outdated":
            raise DataError(
                f"{path}: is of groups that were made otherwise; what changed: {standing.why}. "
                f"{_ADVICE}"
            )
    if there := list(note.folder.glob("*_subdir/images*/*/[!.]*")):
        planned = {
            note.folder / group.images / version / path.name
            for group in groups
            for pictures in group.sets
            for version, path in pictures.files.items()
        }
        if others := sorted(set(there) - planned):
            raise DataError(f"{others[0]}: is in none of these groups. Move it away.")
    for group in groups:
        names = (f"{pictures.files[ORIGINAL].name}\n" for pictures in group.sets)
        if note.folder / group.info not in standings:
            note.write(note.folder / group.info, os.fsencode("".join(names)), origin)


def _fill(group: Group, out_dir: Path, link: Link | None, workers: int | None) -> Iterator[None]:
    """Place the files of a group, one after the other."""
    for version, first in group.sets[0].files.items():
        folder = out_dir / group.images / version
        _make_folder(folder)
        remove_leftovers(folder)
        # Relative, so that the tree of both can be moved or mounted elsewhere.
        way = os.path.relpath(first.parent.resolve(), folder.resolve())
        sources = [pictures.files[version] for pictures in group.sets]

        def place(source: Path, folder: Path = folder, way: str = way) -> None:
            _place(source, folder / source.name, link, way)

        # Links are made faster than threads take work.
        yield from in_threads(place, sources, workers) if link is None else map(place, sources)


def _place(source: Path, target: Path, link: Link | None, way: str) -> None:
    """Copy or link a file, unless it is there.

    Args:
        way: from the target's folder to the source's.
    """
    if os.path.lexists(target):
        if not _is_same(source, target):
            raise DataError(
                f"{target}: is there already, with other content than {source}. Move it away, or "
                "give an empty folder."
            )
    elif link == "symbolic":
        try:
            os.symlink(os.path.join(way, source.name), target)
        except OSError as error:
            raise DataError(
                f"{target}: cannot be a symbolic link: {error.strerror}. Leave out --link."
            ) from error
    elif link != "hard" or not _is_linked(source, target):
        write_bytes(target, read_bytes(source))
        # The time of its source, so that a second run need not read both.
        found = source.stat()
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def _is_linked(source: Path, target: Path) -> bool:
    """Make a hard link; False where the file system does not hold one."""
    try:
        os.link(source, target)
    except OSError:
        told = "%s: cannot hold hard links to %s, as on another file system. Files are copied."
        # The folders that the user gave: one message for all files.
        warn_once(log, told, target.parents[3], source.parents[1])
        return False
    return True


def _is_same(source: Path, target: Path) -> bool:
    """True for a link to the source and for its copy, which has its time."""
    try:
        own, other = source.stat(), target.stat()
    except OSError:  # of a link that leads nowhere
        return False
    if (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino):
        return True
    if own.st_size != other.st_size:
        return False
    return own.st_mtime_ns == other.st_mtime_ns or read_bytes(source) == read_bytes(target)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error.strerror}.") from error
