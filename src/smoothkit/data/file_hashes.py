"""Hashes of files, each of which is read once as long as it does not change."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.ops.io import read_bytes

# Size, modification time in nanoseconds and inode.
Stamp = tuple[int, int, int]

# Clocks of file systems tick every few milliseconds: a file that was changed just before it was
# read may change again within the same tick.
_TICK_NS = 50_000_000


class FileHashes:
    """SHA-256 of files by absolute path, usable from several threads."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Stamp, str]] = {}
        self._read: dict[str, str] = {}
        self._fresh: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: str, stamp: Stamp, digest: str) -> None:
        """Believe what was found before: it holds while the file has this stamp."""
        self._held[key] = stamp, digest

    def of(self, path: str | Path) -> str:
        """Hash of a file: of what ``read`` gave, else of what is there now.

        Raises:
            DataError: it cannot be read.
        """
        key = os.path.abspath(path)
        if key in self._read:
            return self._read[key]
        stamp = stamp_of(path)
        digest = self._valid(key, stamp)
        if digest is None:
            digest = _read_digest(path)
            self._believe(key, stamp, digest)
        return digest

    def read(self, path: str | Path) -> bytes:
        """Content of a file, whose hash ``of`` gives from now on, whatever becomes of the file.

        Raises:
            DataError: it cannot be read.
        """
        key, stamp = os.path.abspath(path), stamp_of(path)
        content = read_bytes(path)
        digest = self._valid(key, stamp)
        if digest is None:
            digest = digest_of(content)
            self._believe(key, stamp, digest)
        self._read[key] = digest
        return content

    def known(self, path: str | Path) -> str | None:
        """Hash of a file as it is there now, if that is known without reading it."""
        return self._valid(os.path.abspath(path), stamp_of(path))

    def keep(self, path: str | Path, digest: str) -> None:
        """Believe the hash of a file that was just written, so that it is not read for it."""
        key, stamp = os.path.abspath(path), stamp_of(path)
        self._read.pop(key, None)
        if stamp is not None:
            self._add(key, stamp, digest)

    def fresh(self) -> list[tuple[str, Stamp, str]]:
        """Path, stamp and hash of what was found since the last call."""
        with self._lock:
            keys, self._fresh = sorted(self._fresh), set()
        return [(key, *self._held[key]) for key in keys]

    def _valid(self, key: str, stamp: Stamp | None) -> str | None:
        held, digest = self._held.get(key, (None, ""))
        return digest if stamp is not None and held == stamp else None

    def _believe(self, key: str, stamp: Stamp | None, digest: str) -> None:
        if stamp is not None and time.time_ns() - stamp[1] > _TICK_NS:
            self._add(key, stamp, digest)

    def _add(self, key: str, stamp: Stamp, digest: str) -> None:
        with self._lock:
            self._held[key] = stamp, digest
            self._fresh.add(key)


def digest_of(content: bytes) -> str:
    """SHA-256 of the content of a file."""
    return hashlib.sha256(content).hexdigest()


def stamp_of(path: str | Path) -> Stamp | None:
    """What changes where a file does; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _read_digest(path: str | Path) -> str:
    """``digest_of`` a file, which may be as large as weights are."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    return found.hexdigest()
