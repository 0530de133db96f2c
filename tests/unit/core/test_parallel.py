"""Threads keep the order and stop at the first error; shards share the work out."""

from __future__ import annotations

import threading
import time

import pytest

from smoothkit.core.errors import OptionError
from smoothkit.core.parallel import in_threads, of_shard, parse_shard


def test_results_come_in_order_and_work_runs_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=10)  # passed only by three at once

    def work(number: int) -> int:
        barrier.wait()
        time.sleep(0.01 * (3 - number))
        return number * number

    assert list(in_threads(work, [0, 1, 2], workers=3)) == [0, 1, 4]


def test_the_first_error_leaves_out_what_has_not_begun() -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 0"):
        list(in_threads(work, range(100), workers=1))
    assert len(begun) < 5


def test_shards_cover_everything_once() -> None:
    parts = [of_shard(range(10), (index, 3)) for index in (1, 2, 3)]
    assert sorted(number for part in parts for number in part) == list(range(10))


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"--shard .*: must be I/N"):
        parse_shard(text)
    assert parse_shard("2/8") == (2, 8)
