"""What the data tools of matting have in common: their folders, and images that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from smoothkit.core.errors import DataError

Result = TypeVar("Result")


def check_is_folder(out_dir: Path) -> None:
    """Refuse a file where a folder of results is to be.

    Raises:
        DataError: it is one.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise DataError(f"{out_dir}: must be a folder, is a file.")


def without_faults(results: Iterable[Result | DataError]) -> Iterator[Result]:
    """The results; what is wrong with the rest is raised at the end.

    Raises:
        DataError: all that went wrong, a line each.
    """
    faults = []
    for result in results:
        if isinstance(result, DataError):
            faults.append(str(result))
        else:
            yield result
    if faults:
        raise DataError("\n".join(faults))
