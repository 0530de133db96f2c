"""Files of lines that several processes add to at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO

from smoothkit.core.errors import DataError


class LineFile:
    """Adds lines to a file, from several threads and processes.

    Args:
        path: made with its folder when the first line is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def add(self, lines: bytes) -> None:
        """Add whole lines in one write.

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

    def close(self) -> None:
        """End what ``add`` began."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _opened(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return open(self.path, "ab", buffering=0)


def _ends_in_newline(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # missing or empty
        return True
