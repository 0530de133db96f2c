"""The errors that users see: one line each, in their own spelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SmoothkitError(Exception):
    """Something the user can put right; command lines print it and exit 2."""


class DataError(SmoothkitError):
    """A file or folder that cannot be used, named in the message."""


class TrainingError(SmoothkitError):
    """A run that must not go on: a loss that is not finite, a folder already in use."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an option file: where (dotted path) and what, with what to do.

    Args:
        is_unknown_key: nothing takes the key, which is all that is wrong.
    """

    where: str
    message: str
    is_unknown_key: bool = False


class OptionError(SmoothkitError):
    """All faults of an option file at once.

    Args:
        faults: what is wrong; a plain text counts as one fault without a place.
        places: file and line of each dotted path, put before its message where known.
    """

    def __init__(self, faults: Sequence[Fault] | str, places: dict[str, str] | None = None) -> None:
        self.faults = [Fault("", faults)] if isinstance(faults, str) else list(faults)
        super().__init__("\n".join(describe(fault, places or {}) for fault in self.faults))


def describe(fault: Fault, places: dict[str, str]) -> str:
    """``file:line: path: message``; the place is that of the nearest enclosing key."""
    path = fault.where
    while path and path not in places:
        path = path.rpartition(".")[0]
    place = places.get(path)
    return ": ".join(part for part in (place, fault.where, fault.message) if part)
