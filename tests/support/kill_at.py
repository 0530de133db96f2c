"""Train, and kill this process with SIGKILL at the n-th call of a function of the file writer.

Usage: kill_at.py FUNCTION N -opt FILE.yml ...; FUNCTION is ``fsync`` (a file is written but has
no name yet) or ``replace`` (just before it gets its name).
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count


def arm(function: str, at: int) -> None:
    """Replace ``os.<function>`` by one that kills at call ``at``."""
    original, calls = getattr(os, function), count(1)

    def counted(*args: object, **options: object) -> object:
        if next(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **options)

    setattr(os, function, counted)


if __name__ == "__main__":
    from smoothkit.train import main

    arm(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
