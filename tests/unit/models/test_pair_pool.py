from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from smoothkit.core.errors import OptionError
from smoothkit.models.pair_pool import PairPool
from support.oracle import Case
from support.recorded import Recorded


def samples(numbers: list[int]) -> dict[str, torch.Tensor]:
    ids = torch.tensor(numbers)
    versions = torch.arange(5)
    return {
        "lq": ids.view(-1, 1, 1, 1).float(),
        "gts": (10 * ids[:, None] + versions).byte(),
        "labels": 100 * ids[:, None] + versions,
        "votes": 1000 * ids[:, None] + versions,
    }


def test_samples_come_and_go_as_in_the_published_pool() -> None:
    meta: dict[str, Any] = Case("hggt_posneg_sr", "pair_pool").meta
    pool, rng = PairPool(meta["queue_size"]), Recorded(meta["permutations"])
    for call in meta["calls"]:
        taken = pool.exchange(samples(call["given"]), rng)
        assert taken["lq"].flatten().tolist() == call["returned_lq"]
        assert taken["gts"].tolist() == call["returned_gt"]
        assert taken["labels"].tolist() == call["returned_labels"]
        assert taken["votes"].tolist() == call["returned_counts"]


def test_bytes_stay_bytes_and_what_was_taken_is_a_copy() -> None:
    pool, rng = PairPool(2), np.random.default_rng(0)
    pool.exchange(samples([1, 2]), rng)
    taken = pool.exchange(samples([3, 4]), rng)
    assert taken["gts"].dtype == torch.uint8
    taken["gts"].zero_()
    assert pool.exchange(samples([5, 6]), rng)["gts"].min() > 0


def test_a_restored_pool_goes_on_as_the_first(tmp_path) -> None:
    first, rng = PairPool(6), np.random.default_rng(0)
    for start in range(0, 10, 2):
        first.exchange(samples([start, start + 1]), rng)
    torch.save(first.state_dict(), tmp_path / "pool.pt")
    second = PairPool(6)
    state = torch.load(tmp_path / "pool.pt", weights_only=True)
    second.load_state_dict(state, torch.device("cpu"))
    for start in range(10, 20, 2):
        batch, seed = samples([start, start + 1]), np.random.default_rng(start)
        again = np.random.default_rng(start)
        one, other = first.exchange(batch, seed), second.exchange(batch, again)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_half_full_pool_is_restored_too() -> None:
    first, rng = PairPool(4), np.random.default_rng(0)
    first.exchange(samples([1, 2]), rng)
    second = PairPool(4)
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    assert second.exchange(samples([3, 4]), rng)["lq"].flatten().tolist() == [3, 4]
    assert {*second.exchange(samples([5, 6]), rng)["lq"].flatten().tolist()} <= {1, 2, 3, 4}


@pytest.mark.parametrize(("size", "nearest"), [(5, "4 or 6"), (1, "2")])
def test_a_size_that_the_batch_does_not_divide_is_refused(size: int, nearest: str) -> None:
    with pytest.raises(OptionError, match=rf"pool_size: must be a multiple of the batch \(2\), "
                                          rf"got {size}. Take {nearest}\."):  # fmt: skip
        PairPool(size).exchange(samples([1, 2]), np.random.default_rng(0))


def test_a_pool_goes_on_with_another_batch_and_starts_anew_with_other_samples(caplog) -> None:
    rng = np.random.default_rng(0)
    pool = PairPool(12)
    for _ in range(2):
        pool.exchange({"gt": torch.zeros(4, 3, 8, 8)}, rng)
    resumed = PairPool(12)
    resumed.load_state_dict(pool.state_dict(), torch.device("cpu"))
    taken = [resumed.exchange({"gt": torch.ones(6, 3, 8, 8)}, rng)["gt"].mean() for _ in range(2)]
    assert taken[0] == 1  # it was filling still
    assert 0 < taken[1] < 1
    assert not caplog.records
    assert torch.equal(
        resumed.exchange({"gt": torch.full((6, 3, 4, 4), 2.0)}, rng)["gt"],
        torch.full((6, 3, 4, 4), 2.0),
    )
    assert "it fills anew" in caplog.text
    PairPool(6).load_state_dict(pool.state_dict(), torch.device("cpu"))
    assert "the pool had 12 samples, now 6" in caplog.text
