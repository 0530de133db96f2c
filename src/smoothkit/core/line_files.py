"""Files of lines that several processes add to at once, and that are rewritten when none does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_bytes

Rewrite = Callable[[Sequence[bytes]], Sequence[bytes]]


class LineFile:
    """Adds lines to a file, from several threads and processes.

    The first line is added under a shared lock, which is held until ``close``; a rewrite takes the
    lock for itself alone, and is left out where another process holds it. So it is where the file
    system has no locks. One whose locks other machines do not see must not be shared with them.

    Args:
        path: made with its folder when the first line is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def add(self, lines: bytes) -> None:
        """Add whole lines in one write; they reach the disk for sure with ``close`` only.

        Raises:
            DataError: the file cannot be written.
        """
        try:
            with self._lock:
                if self._file is None:
                    self._file = self._opened()
                    # A line that a kill cut off must not swallow the next one.
                    lines = lines if _ends_in_newline(self.path) else b"\n" + lines
                while lines:  # a disk that gets full may take a part
                    lines = lines[self._file.write(lines) :]
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror}.") from error

    def close(self, rewrite: Rewrite | None = None) -> None:
        """End what ``add`` began; of a file that it added nothing to, nothing.

        Args:
            rewrite: from all lines to those that are kept; called only where no other process adds
                lines.

        Raises:
            DataError: the file cannot be written.
        """
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            try:
                os.fsync(file.fileno())
            except OSError as error:
                raise DataError(f"{self.path}: cannot be written: {error.strerror}.") from error
            if rewrite and _has_locked(file, alone=True) and _is_named(file, self.path):
                with suppress(OSError, DataError):  # the lines are as good as before
                    kept = rewrite(self.path.read_bytes().splitlines())
                    write_bytes(self.path, b"".join(line + b"\n" for line in kept))

    def _opened(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = open(self.path, "ab", buffering=0)  # noqa: SIM115
            _has_locked(file)
            if _is_named(file, self.path):
                return file
            file.close()  # another process has rewritten it in between


def _has_locked(file: IO[bytes], *, alone: bool = False) -> bool:
    """Wait for a shared lock; or take it alone, unless another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except OSError:  # another process has it, or the file system has no locks
        return False
    return True


def _is_named(file: IO[bytes], path: Path) -> bool:
    """True where the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _ends_in_newline(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # missing or empty
        return True
