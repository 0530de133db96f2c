"""Leaving out patches whose versions hardly differ from the original."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# What counts are told for: differences, 0 to 255, and quantiles.
THRESHOLDS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class MinDist:
    """The least difference that a patch is kept with.

    Args:
        value: of the version that differs most, 0 to 255, or the quantile of it.
        is_quantile: the least is that of so large a part of all patches.

    Raises:
        ValueError: out of range.
    """

    value: float
    is_quantile: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.value < (1 if self.is_quantile else math.inf):
            raise ValueError(f"min_dist: must be 0 or more, or q0 to below q1, got {self}.")

    def __str__(self) -> str:
        return f"{'q' if self.is_quantile else ''}{self.value:g}"

    def threshold(self, distances: Sequence[float]) -> float:
        """The difference that it stands for.

        Args:
            distances: of all patches, for a quantile.
        """
        if not self.is_quantile:
            return self.value
        return float(np.quantile(distances, self.value)) if len(distances) else 0.0


def parse_min_dist(text: str) -> MinDist:
    """``1.5`` or ``q0.2``.

    Raises:
        ValueError: another form, or out of range.
    """
    try:
        return MinDist(float(text.removeprefix("q")), text.startswith("q"))
    except ValueError as error:
        raise ValueError(
            f"must be a difference such as 1.5, or a quantile such as q0.2, got '{text}'"
        ) from error


def counts(distances: Sequence[float]) -> list[tuple[str, float, int]]:
    """Choices of ``--min_dist``: as written, the difference, and how many patches it leaves out."""
    choices = [*map(MinDist, THRESHOLDS), *(MinDist(value, True) for value in QUANTILES)]
    thresholds = [choice.threshold(distances) for choice in choices]
    return [
        (str(choice), threshold, sum(distance < threshold for distance in distances))
        for choice, threshold in zip(choices, thresholds, strict=True)
    ]
