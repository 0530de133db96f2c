"""Numbers of ground truths, and the file that keeps them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.ops.io import read_bytes

MAP_FILE = "map.txt"


def read_map(path: str | Path) -> dict[str, int]:
    """Number of each ground truth, from lines ``<name up to the first dot>,<number>``.

    Empty lines, blanks around names and numbers, and a byte-order mark mean nothing.

    Raises:
        DataError: a line that is none, or numbers that are not 0, 1, 2, ..., once each.
    """
    numbers: dict[str, int] = {}
    lines = read_bytes(path).decode("utf-8-sig", errors="surrogateescape").splitlines()
    for line_number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        stem, number = (part.strip() for part in line.rpartition(",")[::2])
        if not (stem and number.isdecimal()) or stem in numbers:
            raise DataError(f"{path}:{line_number}: must be a new '<name>,<number>', got '{line}'.")
        numbers[stem] = int(number)
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise DataError(f"{path}: must have the numbers 0 to {len(numbers) - 1} once each.")
    return numbers


def numbered(paths: list[Path], map_file: str | Path | None) -> list[Path]:
    """Ground truths in the order of their numbers: of the map, or of their names.

    Raises:
        DataError: two would have one name, or the map is faulty or names others.
    """
    stems = [stem_of(path) for path in paths]
    refuse_twins(paths, stems)
    if map_file is None:
        return paths
    numbers = read_map(map_file)
    for path, stem in zip(paths, stems, strict=True):
        if stem not in numbers:
            raise DataError(f"{path}: has no number in {map_file}. Add it there, or remove it.")
    if missing := sorted(set(numbers) - set(stems)):
        raise DataError(f"{map_file}: names '{missing[0]}', which {paths[0].parent} does not have.")
    return sorted(paths, key=lambda path: numbers[stem_of(path)])


def stem_of(path: Path) -> str:
    """Name up to the first dot without blanks around it, which is what a map knows."""
    return path.name.partition(".")[0].strip()


def refuse_twins(paths: Sequence[Path], stems: Sequence[str]) -> None:
    """Refuse files that would get one name.

    Raises:
        DataError: names both.
    """
    first: dict[str, Path] = {}
    for path, stem in zip(paths, stems, strict=True):
        if stem in first:
            raise DataError(f"{path}: has the name of {first[stem].name}. Rename one of them.")
        first[stem] = path


def map_bytes(stems: Sequence[str]) -> bytes:
    """Content of ``map.txt`` for ground truths in the order of their numbers."""
    return os.fsencode("".join(f"{stem},{b}\n" for b, stem in enumerate(stems)))
