"""The errors that users see: one line each, in their own spelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pickle import UnpicklingError

# How constructors refuse their options, and what BasicSR's end in over files that they read.
CONSTRUCTOR_ERRORS = (ValueError, TypeError, FileNotFoundError, UnpicklingError)


class SmoothkitError(Exception):
    """Something the user can put right; command lines print it and exit 2."""


class DataError(SmoothkitError):
    """A file or folder that cannot be used, named in the message."""


class MissingFileError(DataError):
    """A file that is not on this machine, but may be on the one that trains."""


class TrainingError(SmoothkitError):
    """A run that must not go on: a loss that is not finite, a folder already in use."""


class FailedElsewhereError(SmoothkitError):
    """Another process of the run failed and says why; command lines exit 2 without a word."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an option file: where (dotted path) and what, with what to do.

    Args:
        is_unknown_key: nothing takes the key, which is all that is wrong.
        is_missing_file: a file is not on this machine, which is all that is wrong.
    """

    where: str
    message: str
    is_unknown_key: bool = False
    is_missing_file: bool = False

    @classmethod
    def of(cls, where: str, error: SmoothkitError) -> Fault:
        """What ``error`` says, of the section or key ``where``."""
        message = str(error).removeprefix(f"{where}: ")
        return cls(where, message, is_missing_file=isinstance(error, MissingFileError))

    @classmethod
    def refused(cls, where: str, owner: str, error: Exception) -> Fault:
        """What ``error``, one of ``CONSTRUCTOR_ERRORS``, says of the options of ``owner``."""
        if isinstance(error, FileNotFoundError):
            message = f"{error.filename}: no such file, which {owner} reads."
            return cls(where, message, is_missing_file=True)
        if isinstance(error, UnpicklingError):  # whose own text recommends to load it all the same
            return cls(where, f"{owner} reads a file that is no checkpoint, or would run code.")
        return cls(where, f"{owner} refuses this: {error}")


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
