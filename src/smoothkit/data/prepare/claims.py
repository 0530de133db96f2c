"""What a folder of prepared images is made from: a note, so that nothing is mixed unnoticed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, write_bytes
from smoothkit.ops.io import read_bytes

SOURCES_FILE = "sources.json"


def claim(out_dir: Path, sources: Mapping[str, Any], folders: Sequence[str]) -> None:
    """Note what the images of a folder are made from.

    Args:
        sources: what JSON can hold; what ``settings`` has is called that in messages, the rest
            images.
        folders: of ``out_dir`` that hold what is made.

    Raises:
        DataError: there are images, made from something else or nobody knows from what.
    """
    note = out_dir / SOURCES_FILE
    text = as_json(sources, indent=1)
    is_held = note.exists() and note.read_text("utf-8") == text
    if not is_held and any(any((out_dir / folder).glob("*.png")) for folder in folders):
        changed = _changed(note, sources)
        what = "settings" if changed == ["settings"] else "images"
        former = f", or the former {' and '.join(changed).replace('_', ' ')}" if changed else ""
        raise DataError(
            f"{out_dir}: has pairs made from other {what}. Give an empty folder{former}."
        )
    write_changed(note, text.encode("utf-8"))


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


def _changed(note: Path, sources: Mapping[str, Any]) -> list[str]:
    """Which of the sources differ from those noted; none where nothing is noted."""
    try:
        held = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    now = json.loads(as_json(sources))
    return [kind for kind in now if isinstance(held, dict) and held.get(kind) != now[kind]]
