"""Which program makes something: told by notes, runs and checkpoints."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from smoothkit import __version__


@cache
def made_with() -> dict[str, str | None]:
    """Versions of smoothkit and torch; ``commit`` where smoothkit lies in a git checkout."""
    import torch

    return {"smoothkit": __version__, "commit": commit(), "torch": str(torch.__version__)}


@cache
def program() -> str:
    """Version and commit of smoothkit as one word of a note; torch is not imported for it."""
    return f"smoothkit {__version__}" + (f" ({commit()})" if commit() else "")


@cache
def commit() -> str | None:
    """Commit of the checkout that this code runs from, with ``-dirty`` where files differ."""
    folder = Path(__file__).parent
    # An environment inside of somebody's checkout has that one's commits: ours must be tracked.
    for words in (("ls-files", "--error-unmatch", Path(__file__).name), ("describe", "--always",
                  "--dirty", "--abbrev=12", "--exclude=*")):  # fmt: skip
        try:
            done = subprocess.run(
                ["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
    return done.stdout.strip() or None
