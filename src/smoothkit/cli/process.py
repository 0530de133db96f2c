"""How every command starts and ends."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

from smoothkit.core.cpu import prepare_threads


def run_command(command: Callable[[], int]) -> int:
    """Run ``command`` in this process, which should not have loaded torch yet.

    Returns:
        The exit code of ``command``; 2 for an error of the user's, of which one line is printed
        instead of a traceback; 130 for Ctrl-C.
    """
    prepare_threads()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name that is not UTF-8 must not end it
        sys.stdout.reconfigure(errors="backslashreplace")
    from smoothkit.core.errors import SmoothkitError

    try:
        return command()
    except SmoothkitError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
