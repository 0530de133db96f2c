"""What prepared files are made from: a note beside them, held against the sources.

Content counts, not times of change: those differ after a copy, and where a script has written the
same sources again. ``hashed`` and ``claim`` are those of a merged test set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, read_json, write_text
from smoothkit.core.parallel import in_threads
from smoothkit.data.store import FolderStore
from smoothkit.ops.io import is_whole_png, read_bytes

MERGED, ALPHAS, TRIMAPS, NOTE = "merged", "alpha_copy", "trimaps", "sources.json"

# What the file of each folder is made from.
_PARTS = {MERGED: ("foreground", "alpha", "background"), ALPHAS: ("alpha",), TRIMAPS: ("trimap",)}
_DIGITS = 16

Result = TypeVar("Result")

# Name and hash of a file.
File = tuple[str, str]
# Of one image: by part, what it is made from.
Origin = Mapping[str, File]


def check_is_folder(out_dir: Path) -> None:
    """Refuse a file where a folder of results is to be.

    Raises:
        DataError: it is one.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise DataError(f"{out_dir}: must be a folder, is a file.")


def check_is_noted(out_dir: Path, note: str, what_to_do: str) -> None:
    """Refuse a folder with images that no note is beside: they may be anybody's.

    Raises:
        DataError: it is one.
    """
    if not (out_dir / note).exists() and out_dir.exists() and FolderStore(out_dir).names:
        raise DataError(f"{out_dir}: has images, but no {note}. {what_to_do}")


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


def digest_of(*contents: bytes) -> str:
    """Short hash of the contents of files, in their order."""
    parts = b"".join(hashlib.sha256(content).digest() for content in contents)
    return hashlib.sha256(parts).hexdigest()[:_DIGITS]


def hashed(paths: Iterable[Path], workers: int | None = None) -> dict[Path, File]:
    """Name and hash of each file, read once.

    Raises:
        DataError: a file cannot be read.
    """

    def read(path: Path) -> File:
        return path.name, hashlib.sha256(read_bytes(path)).hexdigest()[:_DIGITS]

    unique = list(dict.fromkeys(paths))
    return dict(zip(unique, in_threads(read, unique, workers), strict=True))


def claim(out_dir: Path, origins: Mapping[str, Origin]) -> None:
    """Note what images are going to be made from.

    Args:
        out_dir: has ``merged``, ``alpha_copy`` and ``trimaps``, or some of them.
        origins: by image. One without a trimap leaves what is noted of that.

    Raises:
        DataError: a file that is there is made from another one, or nobody knows from what.
    """
    note = out_dir / NOTE
    held = _read_note(note) if note.exists() else {}
    faults, folders = [], set()
    for name, origin in origins.items():
        for folder, part in _stale(out_dir, name, held.get(name, {}), origin):
            told = _difference(part, held.get(name, {}).get(part), origin[part])
            faults.append(f"has {folder}/{name}.png {told}")
            folders.add(folder)
    if faults:
        more = f" ({len(faults)} files are like that)" if len(faults) > 1 else ""
        others = " and ".join(folder for folder in _PARTS if folder in folders)
        raise DataError(f"{out_dir}: {faults[0]}{more}. Give another folder, or remove {others}.")
    known = {name: {**held.get(name, {}), **origin} for name, origin in origins.items()}
    write_text(note, as_json({**held, **known}, indent=1) + "\n")


def _stale(out_dir: Path, name: str, held: Origin, origin: Origin) -> list[tuple[str, str]]:
    """Folders whose file of an image is not made from what it is to be, each with the part."""
    found = []
    for folder, parts in _PARTS.items():
        differing = [
            part
            for part in parts
            if part in origin and (part not in held or held[part][1] != origin[part][1])
        ]
        if differing and is_whole_png(out_dir / folder / f"{name}.png"):
            found.append((folder, differing[0]))
    return found


def _difference(part: str, former: File | None, now: File) -> str:
    if former is None:
        return f"and {NOTE} does not say from which {part}"
    if former[0] == now[0]:
        return f"made before the {part} {now[0]} changed"
    return f"made from the {part} {former[0]}, not {now[0]}"


def _read_note(note: Path) -> dict[str, Origin]:
    try:
        content = read_json(note)
        return {
            name: {part: (str(file), str(digest)) for part, (file, digest) in origin.items()}
            for name, origin in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{note}: cannot be read. Give another folder, or remove it with "
            f"{MERGED}, {ALPHAS} and {TRIMAPS}."
        ) from error
