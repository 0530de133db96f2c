"""Images that belong to a ground truth and are found from its name or the number of a pair."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.companion_kinds import Kind, Masks
from smoothkit.data.decoded import Memory
from smoothkit.data.protocols import by_stem, number_of
from smoothkit.data.store import ImageStore, open_store
from smoothkit.ops.labels import IGNORE, NO_OBJECTS

log = logging.getLogger(__name__)

Checker = Callable[[str, tuple[int, int]], None]
# By key of an item: the folder or ``.lmdb`` of its companions, ~ for none, and what is in it.
Roots = Mapping[str, tuple[str | None, Kind]]


def numbered_companions(roots: Roots) -> dict[str, Companions]:
    """Images ``<k>.png`` of ground truth k; pair i is of ground truth i modulo their count.

    Args:
        roots: their options are called ``dataroot_<key>``.

    Raises:
        DataError: a root is missing or has no numbered images.
    """
    stores = _open(roots)
    names = [name for store in stores.values() for name in store.names]
    numbers = [number for name in names if (number := number_of(name)) is not None]
    # Not the count of each: where images are missing, that would shift all pairs to wrong ones.
    modulus = max(numbers, default=0) + 1
    return {
        key: Companions(store, roots[key][1], _ByNumber(store, f"dataroot_{key}", modulus))
        for key, store in stores.items()
    }


def named_companions(roots: Roots, *, is_cached: bool) -> dict[str, Companions]:
    """Images of the names of the ground truths, in any format.

    Args:
        roots: their options are called ``dataroot_<key>``.
        is_cached: keep decoded images in memory, once per data worker.

    Raises:
        DataError: a root is missing or has no images, or two of one name.
    """
    return {
        key: Companions(store, roots[key][1], _ByStem(store), is_cached=is_cached)
        for key, store in _open(roots).items()
    }


def _open(roots: Roots) -> dict[str, ImageStore]:
    return {
        key: open_store(root, option=f"dataroot_{key}") for key, (root, _) in roots.items() if root
    }


class _ByNumber:
    """The file of a pair's ground truth."""

    def __init__(self, store: ImageStore, option: str, modulus: int) -> None:
        self._store = store
        self._option = option
        self._modulus = modulus
        self._names: dict[int, str] = {}
        for name in store.names:
            number = number_of(name)
            if number is None:
                continue
            other = self._names.setdefault(number, name)
            if other != name:
                raise DataError(
                    f"{option}: {store.root} has both {other} and {name}. Move one away."
                )
        if not self._names:
            raise DataError(
                f"{option}: images must be named 0.png, 1.png, ..., none is in {store.root}."
            )

    def __call__(self, owner: str) -> str:
        number = number_of(owner)
        if number is None:
            raise DataError(
                f"{owner}: must be named by its number, as in 12.png, to be found in "
                f"{self._option}. Rename it, or leave out {self._option}."
            )
        wanted = number % self._modulus
        if wanted not in self._names:
            raise DataError(f"{self._store.path(f'{wanted}.png')}: missing; {owner} belongs to it.")
        return self._names[wanted]


class _ByStem:
    """The file of a ground truth's name."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._names = by_stem(store.names, store.root)

    def __call__(self, owner: str) -> str:
        stem = PurePath(owner).stem
        if stem not in self._names:
            raise DataError(f"{self._store.path(f'{stem}.png')}: missing; {owner} belongs to it.")
        return self._names[stem]


class Companions:
    """Images of one kind, one for each ground truth.

    Args:
        store: of the images.
        kind: how they are read.
        find: the name in ``store`` for the path of a pair or ground truth.
        is_cached: keep decoded images in memory, once per data worker.
    """

    def __init__(
        self, store: ImageStore, kind: Kind, find: Callable[[str], str], *, is_cached: bool = False
    ) -> None:
        self._store = store
        self._kind = kind
        self._find = find
        self._memory = Memory(is_cached)

    def read(self, owner: str, size: tuple[int, int]) -> np.ndarray:
        """The image that belongs to a pair or ground truth.

        Args:
            owner: path of its file.
            size: height and width of the ground truth.

        Raises:
            DataError: missing, refused, or of another size; the message names the file.
        """
        name = self._find(owner)
        image = self._memory.get(name, lambda: self._kind.read(self._store, name))
        self._check_size(name, image.shape[:2], size)
        return image

    def checker(self) -> Checker:
        """A function of the arguments of ``read`` that refuses what ``read`` would.

        It looks into each file once, however many pairs the file belongs to.
        """
        found: dict[str, tuple[int, int] | str] = {}

        def check(owner: str, size: tuple[int, int]) -> None:
            name = self._find(owner)
            if name not in found:
                found[name] = self._size_or_fault(name)
            own = found[name]
            if isinstance(own, str):
                raise DataError(own)
            self._check_size(name, own, size)

        return check

    def tell_doubts(self) -> None:
        """Say what a check found to be usable, but hardly meant."""
        if isinstance(self._kind, Masks) and self._kind.found and self._kind.found <= {0, IGNORE}:
            log.warning("%s: %s", self._store.root, NO_OBJECTS)

    def _size_or_fault(self, name: str) -> tuple[int, int] | str:
        try:
            return self._kind.size(self._store, name)
        except DataError as error:
            return str(error)

    def _check_size(self, name: str, size: Sequence[int], expected: tuple[int, int]) -> None:
        if tuple(size) != expected:
            raise DataError(
                f"{self._store.path(name)}: must have the size of the ground truth, "
                f"{expected[0]}x{expected[1]}, got {size[0]}x{size[1]}."
            )
