"""Image files by name, from a folder or an lmdb alike."""

from __future__ import annotations

import codecs
import logging
import os
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.log import warn_once
from smoothkit.data.protocols import by_stem
from smoothkit.ops.io import (
    SUFFIXES,
    Alpha,
    Cmyk,
    ImageHeader,
    Mode,
    decode_header,
    decode_image,
    read_bytes,
    read_header,
)

log = logging.getLogger(__name__)

# What lies beside images and is none: notes, tables, and what file managers leave behind.
_NO_IMAGES = frozenset(
    f".{suffix}"
    for suffix in [
        "txt",
        "json",
        "jsonl",
        "csv",
        "md",
        "html",
        "yml",
        "yaml",
        "xml",
        "log",
        "npz",
        "mat",
        "db",
        "ini",
        "lnk",
        "partial",
    ]
)


class ImageStore:
    """Named images under one root.

    Args:
        root: the folder or lmdb, as the user wrote it.
        names: of the images, extension included, with ``/`` between folders.
    """

    def __init__(self, root: str, names: list[str]) -> None:
        self.root = root
        self.names = names

    def read_bytes(self, name: str) -> bytes:
        """Content of the image file.

        Raises:
            DataError: it cannot be read.
        """
        raise TypeError(f"{type(self).__name__} does not implement read_bytes()")

    def path(self, name: str) -> str:
        """What messages and batches call the image."""
        return os.path.join(self.root, name)

    def header(self, name: str) -> ImageHeader:
        """Header of the image; the pixels are not decoded.

        Raises:
            DataError: missing, empty, or no image.
        """
        return decode_header(self.read_bytes(name), self.path(name))

    def read(
        self, name: str, mode: Mode = "color", *, alpha: Alpha = "refuse", cmyk: Cmyk = "refuse"
    ) -> np.ndarray:
        """Pixels of the image; arguments and errors are those of ``ops.io.read_image``."""
        return decode_image(self.read_bytes(name), self.path(name), mode, alpha=alpha, cmyk=cmyk)


class FileStore(ImageStore):
    """Images that are files below a folder."""

    def read_bytes(self, name: str) -> bytes:
        return read_bytes(self.path(name))

    def header(self, name: str) -> ImageHeader:
        return read_header(self.path(name))


class FolderStore(FileStore):
    """The images in a folder; what has no extension of an image, or is hidden, is left aside.

    Args:
        root: the folder.
        is_recursive: take the folders inside too, each once, where links lead round in a circle.

    Raises:
        DataError: it cannot be listed.
    """

    def __init__(self, root: str | Path, *, is_recursive: bool = False) -> None:
        names = sorted(_files(Path(root), is_recursive))
        is_image = {name: Path(name).suffix.lower() in SUFFIXES for name in names}
        super().__init__(str(root), [name for name in names if is_image[name]])
        others = (Path(name).suffix.lower() for name in names if not is_image[name])
        self._left_aside = Counter(suffix for suffix in others if suffix not in _NO_IMAGES)

    def tell_left_aside(self) -> None:
        """Warn once of files that may be images, but have no extension of those that are read."""
        counts = [f"{n} of {kind or 'no'}" for kind, n in sorted(self._left_aside.items())]
        if counts:
            told = ", ".join(counts)
            warn_once(log, "%s: left aside files by extension: %s.", self.root, told)


def open_store(
    root: str | Path, *, option: str = "dataroot", is_recursive: bool = False
) -> ImageStore:
    """The images under ``root``: those of an lmdb if it ends in ``.lmdb``, else of a folder.

    Args:
        option: what the user calls ``root``, for messages.

    Raises:
        DataError: missing, not a folder, unreadable, or without images.
    """
    path = Path(root)
    if not path.exists():
        raise DataError(f"{option}: no such folder, got {root}.")
    if not path.is_dir():
        raise DataError(f"{option}: must be a folder or an .lmdb folder, got the file {root}.")
    store: ImageStore
    if path.suffix == ".lmdb":
        from smoothkit.data.lmdb_store import LmdbStore  # lmdb is asked for only where one is used

        store = LmdbStore(root)
    else:
        store = folder = FolderStore(root, is_recursive=is_recursive)
        folder.tell_left_aside()
    if not store.names:
        raise DataError(
            f"{option}: no images in {root}. Files that end in "
            f"{', '.join(sorted(SUFFIXES))} count as images."
        )
    return store


def listed_store(root: str | Path, list_file: str | Path, *, option: str) -> ImageStore:
    """The images that a text file lists, in its order; nothing asks whether they are there.

    Args:
        root: the folder that the paths begin at.
        list_file: a path in each line, blanks inside it included; empty lines mean nothing.
        option: what the user calls ``list_file``, for messages.

    Raises:
        DataError: the list cannot be read, or is empty.
    """
    content = read_bytes(list_file).removeprefix(codecs.BOM_UTF8)
    names = [line.strip() for line in os.fsdecode(content).split("\n")]
    names = [name for name in names if name]
    if not names:
        raise DataError(f"{option}: {list_file} lists no images. Each line should hold a path.")
    return FileStore(str(root), names)


def image_files(folder: str | Path, *, is_recursive: bool = False) -> list[Path]:
    """Images of a folder, by name; other and hidden files are passed over.

    Args:
        is_recursive: take the folders inside too.

    Raises:
        DataError: no such folder, or none in it.
    """
    store = FolderStore(folder, is_recursive=is_recursive)
    store.tell_left_aside()
    names = store.names
    if not names:
        raise DataError(f"{folder}: has no images. Known formats: {', '.join(sorted(SUFFIXES))}.")
    return [Path(folder) / name for name in names]


def results_of(folder: str | Path, names: Sequence[str]) -> dict[str, Path]:
    """The file of each name in a folder of results, which may be called ``<name>_<suffix>.png``.

    A file that fits two of the names is that of the longer one; of two files of a name the one
    with the shorter suffix is taken.

    Raises:
        DataError: the folder has none of that name, or two files that differ by extension alone.
    """
    known = set(names)
    by_name = {path.name: path for path in image_files(folder)}
    files = {stem: by_name[name] for stem, name in by_stem(by_name, str(folder)).items()}
    found: dict[str, Path] = {}
    for stem in sorted(files, key=len):
        found.setdefault(_without_suffix(stem, known), files[stem])
    for name in names:
        if name not in found:
            raise DataError(f"{folder}: has no result for '{name}'.")
    return {name: found[name] for name in names}


def _without_suffix(stem: str, names: Container[str]) -> str:
    while stem not in names and "_" in stem:
        stem = stem.rpartition("_")[0]
    return stem


def _files(root: Path, is_recursive: bool) -> Iterator[str]:
    """Paths below ``root`` of all files that are not hidden, each folder once.

    Of several ways to a folder the one without links counts: a link to a folder above it has no
    end.
    """
    folders, links = [root], list[Path]()
    seen = set()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            state = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder}: cannot be read: {error.strerror}.") from error
        if (state.st_dev, state.st_ino) in seen:
            continue
        seen.add((state.st_dev, state.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not os.path.isdir(entry.path):  # False also for a link to itself
                yield Path(entry.path).relative_to(root).as_posix()
            elif is_recursive:
                (links if entry.is_symlink() else folders).append(Path(entry.path))
