"""Images in an lmdb, laid out as BasicSR lays them out.

``<name>.lmdb/`` holds the database, whose keys are the names without extension and whose values are
image files, and ``meta_info.txt`` with one line ``<name>.png (h,w,c) <compress_level>`` each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import lmdb
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers, temporary_folder
from smoothkit.core.lmdbs import META_FILE, Database, key_of, meta_names
from smoothkit.core.parallel import in_threads
from smoothkit.data.file_hashes import digest_of
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note
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
    overwrite: bool = False,
) -> bool:
    """Write an lmdb of all images of ``source``; returns False where it is up to date.

    One whose note says that it was made from other images or by other settings is made anew. It is
    written under a temporary name beside ``target`` and then renamed.

    Args:
        target: ``<name>.lmdb``.
        encoding: ``png``; ``bmp``, 8 bits only, about twice as large and thirty times as fast to
            read; ``keep`` stores the files as they are, which palette label maps need.
        compress_level: of PNGs, 0 to 9.
        overwrite: replace an lmdb that no note tells of.

    Raises:
        DataError: an image cannot be read, two have one key, ``target`` is there without a note,
            is no lmdb, is ``source``, or cannot be written.
    """
    target = Path(target)
    if target.suffix != ".lmdb":
        raise DataError(f"{target}: the name of an lmdb must end in '.lmdb'.")
    if target.resolve() == Path(source.root).resolve():
        raise DataError(f"{target}: holds the images, which would be replaced. Give another name.")
    if target.exists() and not (target / META_FILE).exists():
        raise DataError(f"{target}: is there already, and is no lmdb. Choose another name.")
    _refuse_twin_keys(source)
    level = compress_level if encoding == "png" else 0
    with Note(target) as note:
        origin = _origin(source, note, encoding, level)
        advice = "Choose another name, or --overwrite to replace it."
        if not note.due(
            [target / META_FILE], lambda _: origin, is_all=overwrite, what_to_do=advice
        ):
            return False
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(target.parent)
            with temporary_folder(target.parent) as temporary:
                new = Path(temporary, "new")
                _write(new, source, encoding, level, origin)
                if target.exists():
                    target.rename(Path(temporary, "old"))
                new.rename(target)
        except (OSError, lmdb.Error) as error:
            raise DataError(f"{target}: cannot be written: {error}.") from error
    return True


Entry = tuple[bytes, bytes, str]


def _origin(source: ImageStore, note: Note, encoding: Encoding, level: int) -> Origin:
    """What an lmdb is made from: the names and contents of its images."""
    hashes = in_threads(lambda name: note.stored(source, name)[1], source.names)
    lines = [f"{name} {found}\n" for name, found in zip(source.names, hashes, strict=True)]
    images = f"{len(lines)} images", digest_of(os.fsencode("".join(lines)))
    return Origin({"images": images}, settings={"encoding": encoding, "compress_level": level})


def _entry(source: ImageStore, encoding: Encoding, level: int, name: str) -> Entry:
    """(key, value, line of meta_info.txt) of an image."""
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
    return key_of(name), data, f"{name} {size} {level}\n"


def _write(
    folder: Path, source: ImageStore, encoding: Encoding, level: int, origin: Origin
) -> None:
    """Database, list and note; the list last, as it is what the note tells of."""
    folder.mkdir()
    lines: list[str] = []
    entry = partial(_entry, source, encoding, level)
    with (
        lmdb.open(str(folder), map_size=_FIRST_MAP_SIZE) as environment,
        tqdm(total=len(source.names), unit="image", disable=not sys.stderr.isatty()) as bar,
    ):
        for start in range(0, len(source.names), _IMAGES_PER_COMMIT):
            batch = list(in_threads(entry, source.names[start : start + _IMAGES_PER_COMMIT]))
            while not _is_committed(environment, batch):
                environment.set_mapsize(2 * environment.info()["map_size"])
            lines += [line for _, _, line in batch]
            bar.update(len(batch))
    with Note(folder) as note:
        note.write(folder / META_FILE, os.fsencode("".join(lines)), origin)


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
