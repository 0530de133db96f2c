"""Errors of networks, losses and BasicSR's classes that follow from options, as one line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoothkit.core.devices import is_broken, is_out_of_memory
from smoothkit.core.errors import Fault, OptionError, SmoothkitError

# What they end in where options do not fit together, or with the data.
_REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def in_one_line(what: str, where: str = "") -> Iterator[None]:
    """Say of what fails within that it follows from the options; for the first time it is done.

    Args:
        what: is done within, such as ``the first training step``.
        where: dotted path of the section that is to blame.

    Raises:
        OptionError: anything failed but memory and the device.
    """
    try:
        yield
    except SmoothkitError:
        raise
    except _REFUSALS as error:
        if is_out_of_memory(error) or is_broken(error):
            raise
        raise OptionError([Fault(where, f"{what} fails: {_described(error)}")]) from error


def _described(error: BaseException) -> str:
    """Kind and first line of an error, and the line of code that it comes from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    first = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {first} ({Path(frame.filename).name}:{frame.lineno})."
