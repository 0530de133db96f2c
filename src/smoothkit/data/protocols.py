"""Which ground truth an image belongs to by its name, in the sets of the smoothing papers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Literal

from smoothkit.core.errors import DataError

Protocol = Literal["name", "nks", "voc"]


def number_of(name: str) -> int | None:
    """The number that a file name is, up to its first dot; None if that is no number."""
    stem = name.rpartition("/")[2].partition(".")[0]
    return int(stem) if re.fullmatch("[0-9]+", stem) else None


def by_number(name: str) -> tuple[bool, int, str]:
    """Sorting key: names by their number, those without one at the end."""
    number = number_of(name)
    return number is None, number or 0, name


def ground_truth_stem(name: str, protocol: Protocol = "name", num_gt: int = 150) -> str:
    """File name, without extension, of the ground truth of the image ``name``.

    Args:
        name: file name of an input or result; folders before it are passed over.
        protocol: ``name``: the same name; ``nks``: what stands before the first underscore, so
            ``12_3.png`` is of ``12``; ``voc``: the number of the image modulo ``num_gt``.
        num_gt: ground truths that a set made by blending has.

    Raises:
        DataError: under ``voc``, a name that is no number.

    Source: the evaluation of CSGIS-Net (arXiv 2209.00977), published code. Differs: ground truths
    may be of any image format.
    """
    stem = PurePosixPath(name).stem
    if protocol == "nks":
        return stem.partition("_")[0]
    if protocol == "voc":
        number = number_of(name)
        if number is None:
            raise DataError(
                f"{name}: must be named by its number, as in 154.png, in the VOC protocol."
            )
        return str(number % num_gt)
    return stem


def by_stem(names: Iterable[str], root: str) -> dict[str, str]:
    """File names by what stands before their extension.

    Raises:
        DataError: two files of one stem, so that which is meant is open.
    """
    found: dict[str, str] = {}
    for name in names:
        stem = PurePosixPath(name).stem
        if stem in found:
            raise DataError(f"{root}: has both {found[stem]} and {name}. Move one away.")
        found[stem] = name
    return found


def ground_truth_name(
    name: str, held: Mapping[str, str], root: str, protocol: Protocol, num_gt: int
) -> str:
    """The file of the ground truth of ``name`` among those ``held``.

    Args:
        held: as ``by_stem`` gives them.
        root: their folder, for messages.

    Raises:
        DataError: there is none.
    """
    stem = ground_truth_stem(name, protocol, num_gt)
    if stem not in held:
        hint = f", number modulo num_gt, which is {num_gt}" if protocol == "voc" else ""
        raise DataError(
            f"{root}: has no ground truth '{stem}' for {name} (protocol {protocol}{hint})."
        )
    return held[stem]
