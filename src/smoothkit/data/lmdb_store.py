"""Images in an lmdb, laid out as BasicSR lays them out.

``<name>.lmdb/`` holds the database, whose keys are the names without extension and whose values are
image files, and ``meta_info.txt`` with one line ``<name>.png (h,w,c) <compress_level>`` each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import lmdb

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_bytes
from smoothkit.core.lmdbs import META_FILE, Database, key_of, meta_names
from smoothkit.data.store import ImageStore
from smoothkit.ops.io import ImageHeader, decode_header, decode_image, encode_image

Encoding = Literal["png", "bmp", "keep"]

_FIRST_MAP_SIZE = 1 << 26
_IMAGES_PER_COMMIT = 64
_HEADER_BYTES = 1 << 14


class LmdbStore(ImageStore):
    """The images of an lmdb; the database is opened at the first read of each process.

    It can be pickled and survives a fork at any time, and several stores of one process may have
    the same root.

    Args:
        root: the ``.lmdb`` folder.

    Raises:
        DataError: ``meta_info.txt`` is missing or damaged.
    """

    def __init__(self, root: str | Path) -> None:
        super().__init__(str(root), meta_names(root))
        self.database = Database(str(root))

    def read_bytes(self, name: str) -> bytes:
        return self.database.read(key_of(name), self.path(name))

    def header(self, name: str) -> ImageHeader:
        # Of a file of megabytes only the first pages are touched.
        try:
            return decode_header(self.database.head(key_of(name), _HEADER_BYTES), self.path(name))
        except DataError:  # missing, damaged, or with more in front of the sizes
            return super().header(name)


def create_lmdb(
    source: ImageStore,
    target: str | Path,
    *,
    encoding: Encoding = "png",
    compress_level: int = 1,
) -> int:
    """Write an lmdb of all images of ``source``; returns how many.

    It is written under a temporary name beside ``target`` and then renamed.

    Args:
        target: ``<name>.lmdb``, which must not be there yet.
        encoding: ``png``; ``bmp``, 8 bits only, about twice as large and thirty times as fast to
            read; ``keep`` stores the files as they are, which palette label maps need.
        compress_level: of PNGs, 0 to 9.

    Raises:
        DataError: an image cannot be read, two have one key, ``target`` is there or cannot be
            written.
    """
    target = Path(target)
    if target.suffix != ".lmdb":
        raise DataError(f"{target}: the name of an lmdb must end in '.lmdb'.")
    if target.exists():
        raise DataError(f"{target}: is already there. Remove it, or choose another name.")
    _refuse_twin_keys(source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".lmdb.", dir=target.parent) as temporary:
            folder = Path(temporary, target.name)
            folder.mkdir()
            lines = _write(folder, _entries(source, encoding, compress_level))
            write_bytes(folder / META_FILE, os.fsencode("".join(lines)))
            folder.rename(target)
    except (OSError, lmdb.Error) as error:
        raise DataError(f"{target}: cannot be written: {error}.") from error
    return len(source.names)


Entry = tuple[bytes, bytes, str]


def _entries(source: ImageStore, encoding: Encoding, compress_level: int) -> Iterator[Entry]:
    """(key, value, line of meta_info.txt) of each image."""
    level = compress_level if encoding == "png" else 0
    for name in source.names:
        data, path = source.read_bytes(name), source.path(name)
        if encoding != "keep":
            suffix = f".{encoding}"
            # Upright: what is encoded anew has no EXIF to say how it lies.
            image = decode_image(data, path, "whole", cmyk="convert")
            params = (cv2.IMWRITE_PNG_COMPRESSION, level) if encoding == "png" else ()
            data = encode_image(image, suffix, name=path, params=params)
            name = os.path.splitext(name)[0] + suffix
        header = decode_header(data, path)
        size = f"({header.height},{header.width},{header.channels})"
        yield key_of(name), data, f"{name} {size} {level}\n"


def _write(folder: Path, entries: Iterable[Entry]) -> list[str]:
    lines = []
    with lmdb.open(str(folder), map_size=_FIRST_MAP_SIZE) as environment:
        entries = iter(entries)
        while batch := list(islice(entries, _IMAGES_PER_COMMIT)):
            while not _is_committed(environment, batch):
                environment.set_mapsize(2 * environment.info()["map_size"])
            lines += [line for _, _, line in batch]
    return lines


def _is_committed(environment: lmdb.Environment, batch: Iterable[Entry]) -> bool:
    """False, and nothing written, where the map is too small."""
    try:
        with environment.begin(write=True) as transaction:
            for key, value, _ in batch:
                transaction.put(key, value)
    except lmdb.MapFullError:
        return False
    return True


def _refuse_twin_keys(source: ImageStore) -> None:
    seen: dict[bytes, str] = {}
    for name in source.names:
        other = seen.setdefault(key_of(name), name)
        if other != name:
            raise DataError(
                f"{source.path(name)}: has the same key as {other}; keys have no extension. "
                "Rename one."
            )
