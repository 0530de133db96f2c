"""A generator that gives recorded draws in place of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Recorded:
    """What code that draws from numpy's generator gets, in order.

    Args:
        permutations: of ``permutation``.
        integers: of ``integers``.
    """

    def __init__(
        self, permutations: Sequence[Sequence[int]] = (), integers: Sequence[int] = ()
    ) -> None:
        self._permutations, self._integers = list(permutations), list(integers)

    def permutation(self, size: int) -> np.ndarray:
        order = self._permutations.pop(0)
        assert len(order) == size
        return np.asarray(order)

    def integers(self, count: int) -> int:
        value = self._integers.pop(0)
        assert 0 <= value < count
        return value

    def is_used_up(self) -> bool:
        """Whether all draws were asked for."""
        return not self._permutations and not self._integers
