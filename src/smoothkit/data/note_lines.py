"""Lines of a note: of results with what they were made from, and of files with their hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
