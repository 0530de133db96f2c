"""lmdbs of images in BasicSR's layout: opened once a process, whoever reads them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb

from smoothkit.core.errors import DataError

META_FILE = "meta_info.txt"
_META_LINE = re.compile(r"(?P<name>.+) \(\d+,\d+,\d+\) \d+")


class Database:
    """The entries of an lmdb; it is opened at the first read of each process.

    It can be pickled and survives a fork at any time, and several of one process may have the same
    root.

    Args:
        root: the ``.lmdb`` folder.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._opened: _Opened | None = None

    def read(self, key: bytes, path: str) -> bytes:
        """What stands under a key.

        Args:
            path: what messages call the entry.

        Raises:
            DataError: no such key, or a database that cannot be read.
        """
        value = self._value(key, path, None)
        if value is None:
            raise DataError(f"{path}: no such key, got '{os.fsdecode(key)}'.")
        return value

    def head(self, key: bytes, size: int) -> bytes:
        """The first bytes of what stands under a key, or nothing."""
        return self._value(key, self.root, size) or b""

    def _value(self, key: bytes, path: str, size: int | None) -> bytes | None:
        if self._opened is None or self._opened.process != os.getpid():
            self._opened = _shared(self.root)
        try:
            with self._opened.environment.begin(buffers=True) as transaction:
                value = transaction.get(key)
                return None if value is None else bytes(value[:size])
        except lmdb.Error as error:
            raise DataError(f"{path}: cannot be read: {error}.") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


class _Opened:
    """An open database and the process that opened it."""

    def __init__(self, root: str) -> None:
        self.process = os.getpid()
        try:
            # Nobody writes, so no locks; reads are random, so nothing ahead of them.
            self.environment = lmdb.open(root, readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            raise DataError(f"{root}: cannot be opened: {error}.") from error
        page_size = self.environment.stat()["psize"]
        size = (self.environment.info()["last_pgno"] + 1) * page_size
        if os.path.getsize(os.path.join(root, "data.mdb")) < size:
            # Read, the missing pages would end the process with a bus error.
            self.environment.close()
            raise DataError(f"{root}: data.mdb is cut off. Copy or create it again.")


# lmdb refuses to open one file twice in a process, so its stores share. An entry goes with the last
# store that uses it.
_OPEN: WeakValueDictionary[str, _Opened] = WeakValueDictionary()


def _shared(root: str) -> _Opened:
    real = os.path.realpath(root)
    opened = _OPEN.get(real)
    if opened is not None and opened.process != os.getpid():
        # Inherited in a fork: lmdb wants a handle of this process, and this one out of the way.
        opened.environment.close()
        opened = None
    if opened is None:
        opened = _OPEN[real] = _Opened(root)
    return opened


def meta_names(root: str | Path) -> list[str]:
    """Names of the images of an lmdb, sorted; blank lines of ``meta_info.txt`` mean nothing.

    Raises:
        DataError: it cannot be read, a line is none, or two names have one key.
    """
    path, names = Path(root, META_FILE), []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    for line in os.fsdecode(content).split("\n"):
        if not line.strip():
            continue
        match = _META_LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            raise DataError(
                f"{path}: each line must be '<name> (<h>,<w>,<c>) <compress_level>', got '{line}'."
            )
        names.append(match["name"])
    keys: dict[bytes, str] = {}
    for name in names:
        other = keys.setdefault(key_of(name), name)
        if other != name:
            raise DataError(
                f"{path}: has {other} and {name}, whose key is the same: keys have no extension. "
                "Rename one and create the lmdb again."
            )
    return sorted(names)


def key_of(name: str) -> bytes:
    """The key of an image: its name without extension."""
    return os.fsencode(os.path.splitext(name)[0])
