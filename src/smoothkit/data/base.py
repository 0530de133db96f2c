"""What the loader asks of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from torch.utils.data import Dataset

from smoothkit.core.errors import DataError


class ImageDataset(Dataset[dict[str, Any]]):
    """Items by index, with randomness as an argument.

    A subclass implements ``__len__``, ``get`` and, where it can, ``check``.

    Attributes:
        optional: key of an item -> the option without which items do not have it.
    """

    optional: ClassVar[Mapping[str, str]] = {}

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """Item ``index``: tensors, and paths as text, under their batch names.

        Args:
            rng: the only source of randomness; the same generator gives the same item.

        Raises:
            DataError: a file cannot be used; the message names it.
        """
        raise TypeError(f"{type(self).__name__} does not implement get()")

    def check(self) -> list[tuple[int, str]]:
        """(index, what is wrong) of each item that cannot be used, from file headers alone."""
        return []

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.get(index, sample_rng(0, index))


def sample_rng(seed: int, number: int) -> np.random.Generator:
    """The generator of one sample: a function of the run's seed and its running number alone."""
    return np.random.default_rng((seed, number))


def check_each(names: Iterable[str], check: Callable[[str], object]) -> list[tuple[int, str]]:
    """(index, what is wrong) of the names for which ``check`` raises DataError."""
    faults = []
    for index, name in enumerate(names):
        try:
            check(name)
        except DataError as error:
            faults.append((index, str(error)))
    return faults
