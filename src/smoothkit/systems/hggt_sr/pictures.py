"""The pictures of sets: originals and enhanced versions, in a folder or an lmdb.

Layout: ``original/<set>.png``, ``01/<set>_01.png``, ...; a set of a range, ``<range>/<set>``, has
them in the folder of its range. Capitals of the folders and extensions do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.store import open_store
from smoothkit.ops.io import Alpha, ImageHeader

ORIGINAL = "original"


class Pictures:
    """Pictures by set and version.

    Args:
        root: folder or ``.lmdb``.
        option: what the user calls it, for messages.

    Raises:
        DataError: it is missing or has no images, or has two of one name.
    """

    def __init__(self, root: str | Path, *, option: str) -> None:
        self._store = open_store(str(root), option=option, is_recursive=True)
        self._files: dict[tuple[str, str, str], str] = {}
        for file in self._store.names:
            folder, _, name = file.rpartition("/")
            outer, _, version = folder.rpartition("/")
            key = outer, version.lower(), name.rpartition(".")[0]
            other = self._files.setdefault(key, file)
            if other != file:
                raise DataError(f"{option}: {root} has both {other} and {file}. Move one away.")

    def path(self, name: str, version: str) -> str:
        """What messages and batches call a picture.

        Raises:
            DataError: it is not there.
        """
        return self._store.path(self._file(name, version))

    def header(self, name: str, version: str) -> ImageHeader:
        """The header of a picture; errors of ``path`` and of reading."""
        return self._store.header(self._file(name, version))

    def read(self, name: str, version: str, *, alpha: Alpha = "refuse") -> np.ndarray:
        """The pixels of a picture, (H, W, 3) BGR; errors of ``path`` and of reading."""
        return self._store.read(self._file(name, version), alpha=alpha)

    def check_sizes(
        self, name: str, versions: Iterable[str], sizes: Sequence[tuple[int, ...]]
    ) -> None:
        """Refuse a set whose pictures differ in size.

        Raises:
            DataError: names the first that differs from the first of all.
        """
        for version, size in zip(versions, sizes, strict=True):
            if size != sizes[0]:
                raise DataError(
                    f"{self.path(name, version)}: must have the size of the others of its set, "
                    f"{sizes[0][0]}x{sizes[0][1]}, got {size[0]}x{size[1]}."
                )

    def without_labels(self, names: Iterable[str]) -> list[str]:
        """Paths of the pictures whose set is none of ``names``."""
        known = set(names)
        alone = []
        for (outer, version, stem), file in self._files.items():
            own = stem if version == ORIGINAL else stem.removesuffix(f"_{version}")
            if (f"{outer}/{own}" if outer else own) not in known:
                alone.append(self._store.path(file))
        return alone

    def _file(self, name: str, version: str) -> str:
        outer, _, own = name.rpartition("/")
        stem = own if version.lower() == ORIGINAL else f"{own}_{version}"
        file = self._files.get((outer, version.lower(), stem))
        if file is None:
            where = "/".join(part for part in (outer, version, f"{stem}.png") if part)
            raise DataError(f"{self._store.path(where)}: missing, though it has labels.")
        return file
