"""Work on several cores: for numpy, OpenCV and scipy, which let go of the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from smoothkit.core.cpu import usable_cpus
from smoothkit.core.errors import OptionError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int | None = None
) -> Iterator[Result]:
    """``function`` of each item, in order, several at a time.

    The first error ends it: what has not begun is left out.

    Args:
        workers: at a time; None for one for each usable CPU.
    """
    with ThreadPoolExecutor(workers or usable_cpus()) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def parse_shard(text: str) -> tuple[int, int]:
    """(I, N) of ``I/N``: this machine is the I-th of N, counted from 1.

    Raises:
        OptionError: another form, or I beyond N.
    """
    first, slash, last = text.partition("/")
    if not (slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise OptionError(f"--shard {text}: must be I/N with 1 <= I <= N, such as 2/8.")
    return int(first), int(last)


def of_shard(items: Sequence[Item], shard: tuple[int, int]) -> Sequence[Item]:
    """Every N-th item, from the I-th on."""
    index, count = shard
    return items[index - 1 :: count]
