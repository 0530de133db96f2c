"""Images that a list names, as the authors of a data set publish it."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import Literal

from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import link_or_copy, remove_leftovers, write_bytes
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import image_files
from smoothkit.ops.io import read_bytes
from smoothkit.systems.lsa.outputs import check_is_folder

Way = Literal["copy", "link"]

_SHOWN = 10


def listed_files(folder: str | Path, list_file: str | Path | None) -> list[Path]:
    """The images of a folder that a list names, in its order.

    Args:
        folder: of the images.
        list_file: a name a line; an extension may be missing, or be another one than the file has,
            and folders before a name are passed over. None for all images, by name.

    Raises:
        DataError: a list that is empty or no text, or images that the folder lacks.
    """
    paths = {path.name: path for path in image_files(folder)}
    if list_file is None:
        return list(paths.values())
    wanted = _listed(list_file)
    others: dict[str, str] = {}
    if any(name.name not in paths for name in wanted):
        others = by_stem(paths, str(folder))
    found = {name: paths.get(name.name) or paths.get(others.get(name.stem, "")) for name in wanted}
    if missing := [name.name for name, path in found.items() if path is None]:
        more = f", ... and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{folder}: lacks {len(missing)} of the {len(found)} images that {list_file} names: "
            f"{', '.join(missing[:_SHOWN])}{more}. Is it the right folder?"
        )
    return [path for name in wanted if (path := found[name])]


def _listed(list_file: str | Path) -> list[PurePosixPath]:
    """The names that a list has, a line each."""
    content = read_bytes(list_file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"{list_file}: is no text in UTF-8. It should have a name on each line.")
    wanted = [PurePosixPath(line.strip()) for line in text.splitlines() if line.strip()]
    if not wanted:
        raise DataError(f"{list_file}: names no image. It should have a name on each line.")
    return wanted


def copy_listed(
    list_file: str | Path, source_dir: str | Path, out_dir: str | Path, *, way: Way = "copy"
) -> int:
    """Put the listed images of a folder into another one; returns how many are new there.

    Images that are there already with the same size of file are left alone.

    Args:
        way: ``link`` gives the files second names where the disk has room for such.

    Raises:
        DataError: as ``listed_files``, or ``out_dir`` is a file, before anything is copied; a file
            cannot be written.
    """
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    paths = list(dict.fromkeys(listed_files(source_dir, list_file)))
    remove_leftovers(out_dir)

    def put(path: Path) -> bool:
        target = out_dir / path.name
        if target.exists() and target.stat().st_size == path.stat().st_size:
            return False
        if way == "link":
            link_or_copy(path, target)
        else:
            write_bytes(target, read_bytes(path))
        return True

    done = in_threads(put, paths)
    return sum(tqdm(done, total=len(paths), unit="image", disable=not sys.stderr.isatty()))
