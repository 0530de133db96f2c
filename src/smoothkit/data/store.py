"""Image files by name, from a folder or an lmdb alike."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
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


class ImageStore:
    """Named images under one root.

    Args:
        root: the folder or lmdb, as the user wrote it.
        names: of the images, extension included, with ``/`` between folders; sorted.
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


class FolderStore(ImageStore):
    """The images in a folder; what has no extension of an image, or is hidden, is left aside.

    Args:
        root: the folder.
        is_recursive: take the folders inside too.

    Raises:
        DataError: it cannot be listed.
    """

    def __init__(self, root: str | Path, *, is_recursive: bool = False) -> None:
        super().__init__(str(root), _image_names(Path(root), is_recursive))

    def read_bytes(self, name: str) -> bytes:
        return read_bytes(self.path(name))

    def header(self, name: str) -> ImageHeader:
        return read_header(self.path(name))


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
        store = FolderStore(root, is_recursive=is_recursive)
    if not store.names:
        raise DataError(
            f"{option}: no images in {root}. Files that end in "
            f"{', '.join(sorted(SUFFIXES))} count as images."
        )
    return store


def image_files(folder: str | Path) -> list[Path]:
    """Images of a folder, by name; other and hidden files are passed over.

    Raises:
        DataError: no such folder, or none in it.
    """
    names = FolderStore(folder).names
    if not names:
        raise DataError(f"{folder}: has no images. Known formats: {', '.join(sorted(SUFFIXES))}.")
    return [Path(folder) / name for name in names]


def results_of(folder: str | Path, names: Sequence[str]) -> dict[str, Path]:
    """The file of each name in a folder of results, which may be called ``<name>_<suffix>.png``.

    A file that fits two of the names is that of the longer one; of two files of a name the one
    with the shorter suffix is taken.

    Raises:
        DataError: the folder has none of that name.
    """
    known = set(names)
    files = {path.stem: path for path in image_files(folder)}
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


def _image_names(root: Path, is_recursive: bool) -> list[str]:
    names = []
    try:
        for folder, folders, files in os.walk(root, onerror=_raise, followlinks=True):
            if not is_recursive:
                folders.clear()
            inside = Path(folder).relative_to(root)
            names += [
                (inside / file).as_posix()
                for file in files
                if Path(file).suffix.lower() in SUFFIXES and not file.startswith(".")
            ]
    except OSError as error:
        raise DataError(f"{root}: cannot be read: {error.strerror}.") from error
    return sorted(names)


def _raise(error: OSError) -> None:
    raise error
