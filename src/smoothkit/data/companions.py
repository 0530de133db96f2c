"""Images that belong to a ground truth and are found from the number of a training pair."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.store import open_store
from smoothkit.ops.io import Alpha, Mode


def number_of(name: str) -> int | None:
    """The number that a file name is, up to its first dot; None if that is no number."""
    stem = name.rpartition("/")[2].partition(".")[0]
    return int(stem) if re.fullmatch("[0-9]+", stem) else None


def by_number(name: str) -> tuple[bool, int, str]:
    """Sorting key: names by their number, those without one at the end."""
    number = number_of(name)
    return number is None, number or 0, name


class Companions:
    """Images ``<k>.png`` of ground truth k; pair i is of ground truth i modulo their count.

    Args:
        root: folder or ``.lmdb``.
        option: what the user calls ``root``, for messages.

    Raises:
        DataError: ``root`` is missing or has no numbered images.
    """

    def __init__(self, root: str, *, option: str) -> None:
        self._option = option
        self._store = open_store(root, option=option)
        numbered = {number_of(name): name for name in self._store.names}
        self._names = {number: name for number, name in numbered.items() if number is not None}
        if not self._names:
            raise DataError(f"{option}: images must be named 0.png, 1.png, ..., none is in {root}.")
        # Not their count: where one is missing, that would shift all pairs to wrong images.
        self._modulus = max(self._names) + 1

    def check(self, pair: str, size: tuple[int, int]) -> None:
        """Refuse what headers tell is missing, no image, or of another size than ``size``.

        Args:
            pair: path of the pair's file.
            size: height and width of its ground truth.

        Raises:
            DataError: names the file.
        """
        name = self._name(pair)
        header = self._store.header(name)
        self._check_size(name, (header.height, header.width), size)

    def read(
        self, pair: str, size: tuple[int, int], mode: Mode, *, alpha: Alpha = "refuse"
    ) -> np.ndarray:
        """The image of the pair's ground truth; arguments and errors of ``check`` and reading."""
        name = self._name(pair)
        image = self._store.read(name, mode, alpha=alpha)
        self._check_size(name, image.shape[:2], size)
        return image

    def _name(self, pair: str) -> str:
        number = number_of(pair)
        if number is None:
            raise DataError(
                f"{pair}: must be named by its number, as in 12.png, to be found in "
                f"{self._option}. Rename it, or leave out {self._option}."
            )
        wanted = number % self._modulus
        if wanted not in self._names:
            raise DataError(f"{self._store.path(f'{wanted}.png')}: missing; {pair} belongs to it.")
        return self._names[wanted]

    def _check_size(self, name: str, size: Sequence[int], expected: tuple[int, int]) -> None:
        if tuple(size) != expected:
            raise DataError(
                f"{self._store.path(name)}: must have the size of the ground truth, "
                f"{expected[0]}x{expected[1]}, got {size[0]}x{size[1]}."
            )
