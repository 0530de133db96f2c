"""What a folder of prepared images is made from: a note, so that nothing is mixed unnoticed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, read_json, text_bytes, write_bytes
from smoothkit.data.store import FolderStore
from smoothkit.ops.io import read_bytes

SOURCES_FILE = "sources.json"


def claim(
    out_dir: Path, sources: Mapping[str, Any], folders: Sequence[str], *, made: str = "pairs"
) -> None:
    """Note what the images of a folder are made from.

    Args:
        sources: what JSON can hold; what ``settings`` has is called that in messages, the rest
            images.
        folders: of ``out_dir`` that hold what is made.
        made: what messages call that.

    Raises:
        DataError: there are images, made from something else or nobody knows from what, or
            ``out_dir`` is a file.
    """
    refuse_as_output(out_dir, ())
    note = out_dir / SOURCES_FILE
    text = as_json(sources, indent=1)
    if any(_has_images(out_dir / folder) for folder in folders):
        held = _read(note)
        if held is None:
            raise DataError(
                f"{note}: is missing or damaged, so what the {made} are made from cannot be told. "
                "Give an empty folder."
            )
        if held != json.loads(text):
            raise DataError(f"{out_dir}: has {made} made from other {_change(held, sources)}.")
    write_changed(note, text_bytes(text))


def refuse_as_output(out_dir: Path, source_dirs: Iterable[str | Path | None]) -> None:
    """Refuse to write into a file, or among the sources.

    Args:
        source_dirs: folders that are read; None is passed over.

    Raises:
        DataError: ``out_dir`` or a folder above it is a file, or it is one of the sources.
    """
    for folder in (out_dir, *out_dir.parents):
        if folder.is_file():
            raise DataError(f"{folder}: is a file, where a folder is to be. Give another folder.")
    if out_dir.resolve() in {Path(folder).resolve() for folder in source_dirs if folder}:
        raise DataError(f"{out_dir}: holds what it is to be made from. Give another folder.")


def checksums(paths: Iterable[Path]) -> list[list[Any]]:
    """Name and checksum of each file.

    Raises:
        DataError: one cannot be read.
    """
    return [[path.name, zlib.crc32(read_bytes(path))] for path in paths]


def write_changed(path: Path, content: bytes) -> None:
    """Write a file atomically, unless it has that content already."""
    if not path.exists() or read_bytes(path) != content:
        write_bytes(path, content)


def _has_images(folder: Path) -> bool:
    return folder.is_dir() and bool(FolderStore(folder).names)


def _read(note: Path) -> dict[str, Any] | None:
    """What is noted, or None where nothing that can be read is."""
    try:
        held = read_json(note)
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) else None


def _change(held: Mapping[str, Any], sources: Mapping[str, Any]) -> str:
    """Whether images or settings differ from those noted, and what would be the same again."""
    now = json.loads(as_json(sources))
    changed = [kind for kind in now if held.get(kind) != now[kind]]
    what = "settings" if changed == ["settings"] else "images"
    # Settings first: they may be why images differ, as the seed is where it draws them.
    changed.sort(key=lambda kind: kind != "settings")
    former = [
        _settings(held.get(kind), now[kind]) if kind == "settings" else kind.replace("_", " ")
        for kind in changed
    ]
    again = f", or the former {' and '.join(former)}" if former else ""
    return f"{what}. Give an empty folder{again}"


def _settings(held: Any, now: Mapping[str, Any]) -> str:
    """The settings that differ, as they were."""
    known = held if isinstance(held, dict) else {}
    were = [f"{name} {known[name]}" for name in now if name in known and known[name] != now[name]]
    return f"settings ({', '.join(were)})" if were else "settings"
