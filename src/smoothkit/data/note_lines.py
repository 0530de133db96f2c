"""Lines of a note: of results with what they were made from, and of files with their hashes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smoothkit.data.file_hashes import Stamp, stamp_of

Line = Mapping[str, Any]
_OF_RESULTS = ("hash", "inputs", "weights", "settings")


def parsed(text: bytes) -> Line | None:
    """What a line says: of a ``result``, or of a ``file`` with its stamp; None of one cut off."""
    try:
        line = json.loads(text)
        if "result" in line:
            return {key: line[key] for key in ("result", *_OF_RESULTS)}
        size, changed, inode = line["stamp"]
        return {"file": line["file"], "stamp": (size, changed, inode), "hash": line["hash"]}
    except (ValueError, LookupError, TypeError):
        return None


def compacted(texts: Sequence[bytes], hash_of: Callable[[str], str | None]) -> list[bytes]:
    """The lines that still count.

    Those of a file that is not as it was go. Of a result the last line is enough where it is known
    to be the one of what is there: where a run was cut short, what is there is of an earlier one.

    Args:
        hash_of: a result as it is there; None where that is not known.
    """
    lines = [parsed(text) for text in texts]
    last = {_owner(line): number for number, line in enumerate(lines) if line}

    def counts(line: Line) -> bool:
        newest = lines[last[_owner(line)]]
        assert newest is not None
        is_newest = newest is line
        if "file" in line:
            stamp: Stamp = line["stamp"]
            return is_newest and stamp_of(line["file"]) == stamp
        return is_newest or newest["hash"] != hash_of(line["result"])

    return [text for text, line in zip(texts, lines, strict=True) if line and counts(line)]


def _owner(line: Line) -> tuple[str, str]:
    kind = "result" if "result" in line else "file"
    return kind, line[kind]
