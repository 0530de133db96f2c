"""What a result is made from, and how that differs from what it was made from before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smoothkit.core.files import as_json

# Name and hash of a file.
File = tuple[str, str]


@dataclass(frozen=True)
class Origin:
    """What a result is made from.

    Args:
        inputs, weights: name and hash of each file, by what it is, such as ``image``.
        settings: what else decides the result; of values that JSON has.
    """

    inputs: Mapping[str, File]
    weights: Mapping[str, File] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def difference(held: Mapping[str, Any], origin: Origin) -> str:
    """What of a noted origin is not that of now, in a few words; empty where nothing is."""
    for kind, files in (("", origin.inputs), ("weights", origin.weights)):
        noted = held["weights" if kind else "inputs"]
        for role in {**noted, **files}:
            old, new = noted.get(role), files.get(role)
            if old is None or new is None or old[1] != new[1]:
                return " ".join(filter(None, (kind or role, _change(old, new))))
    if held["settings"] == origin.settings:
        return ""
    was, now = (json.loads(as_json(settings)) for settings in (held["settings"], origin.settings))
    changes = [
        f"{key} {_shown(was.get(key))}, now {_shown(now.get(key))}"
        for key in {**was, **now}
        if was.get(key) != now.get(key)
    ]
    return f"settings ({'; '.join(changes[:3])})" if changes else ""


def _change(old: File | None, new: File | None) -> str:
    if old is None or new is None:
        return f"{old[0]}, now none" if old else f"none, now {new[0]}" if new else ""
    return f"{old[0]}, now {new[0]}" if old[0] != new[0] else new[0]


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else as_json(value)
