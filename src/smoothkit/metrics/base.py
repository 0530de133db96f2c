"""What reports and checkpoint selection know about a metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

Metric = TypeVar("Metric", bound=Callable[..., float])


def metric(
    *,
    better: Literal["higher", "lower"],
    limits: tuple[float, float],
    needs: Callable[..., Any] | None = None,
    runs_network: bool = False,
) -> Callable[[Metric], Metric]:
    """A decorator that states a metric's facts as attributes of the function.

    Args:
        better: which of two values is the better one.
        limits: smallest and largest value.
        needs: takes the metric's options before a run begins; raises DataError where a file that
            that the metric works with is not there.
        runs_network: it judges by a network, which goes to the device of the images.
    """

    def state(function: Metric) -> Metric:
        vars(function).update(better=better, limits=limits, needs=needs, runs_network=runs_network)
        return function

    return state
