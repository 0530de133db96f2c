"""How every command ends: an error of the user's is one line and exit code 2, Ctrl-C is 130."""

from __future__ import annotations

import sys
from collections.abc import Callable


def exit_code_of(command: Callable[[], int]) -> int:
    """Run ``command``; what the user can put right is printed to stderr instead of a traceback."""
    from smoothkit.core.errors import SmoothkitError

    try:
        return command()
    except SmoothkitError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
