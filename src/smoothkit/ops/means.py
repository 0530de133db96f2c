"""Means over images, the same in every table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean


def mean_of_finite(values: Iterable[float]) -> float:
    """Mean of the finite values; infinity where all that are numbers are infinite, else NaN.

    The PSNR of equal images is infinite: in a mean it would hide all others. Whoever shows the mean
    tells how many values it leaves out (``num_left_out``).
    """
    given = list(values)
    finite = [value for value in given if math.isfinite(value)]
    if finite:
        return fmean(finite)
    return math.inf if math.inf in given else math.nan


def num_left_out(values: Iterable[float]) -> int:
    """How many values the mean does not hold; 0 where it holds none, as it says that itself."""
    given = list(values)
    left = sum(not math.isfinite(value) for value in given)
    return left if left < len(given) else 0
