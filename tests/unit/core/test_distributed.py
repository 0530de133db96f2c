"""Several processes as one run, and a single one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp

from smoothkit.core import distributed
from smoothkit.core.errors import DataError, FailedElsewhereError
from smoothkit.core.settings import DistSettings


def process(rank: int, port: int, work: Callable[[int], Any], out: Path) -> None:
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank),
                   "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}  # fmt: skip
    distributed.start(environment, torch.device("cpu"), DistSettings(timeout_minutes=1))
    torch.save(work(rank), out / f"{rank}.pt")
    distributed.stop()


def in_two(work: Callable[[int], Any], out: Path, port: int) -> list[Any]:
    mp.spawn(process, (port, work, out), nprocs=2)
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def averaged(rank: int) -> list[Any]:
    params = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    params[0].grad = torch.full((2,), 2.0 + rank)
    if rank == 1:  # the other process made no gradient of it
        params[1].grad = torch.tensor([4.0, 6.0])
    distributed.average_gradients(params)
    distributed.average_gradients([])
    return [param.grad for param in params]


def test_a_process_without_a_gradient_takes_part_with_zeros(tmp_path):
    for first, second, third in in_two(averaged, tmp_path, 29611):
        assert torch.equal(first, torch.full((2,), 2.5))
        assert torch.equal(second, torch.tensor([2.0, 3.0]))
        assert third is None  # nobody made one


def failing(rank: int) -> list[str]:
    try:
        with distributed.together():
            if rank == 1:
                raise DataError("x.png: broken.")
    except FailedElsewhereError as error:
        return ["elsewhere", str(error)]
    except DataError as error:
        return ["here", str(error)]
    return ["nowhere", ""]


def test_what_fails_in_one_process_fails_in_all_and_is_said_once(tmp_path):
    told = in_two(failing, tmp_path, 29612)
    assert told == [["elsewhere", "process 1 failed"], ["here", "x.png: broken."]]


def spread(rank: int) -> torch.Tensor:
    torch.manual_seed(rank)
    net = torch.nn.BatchNorm1d(3)
    torch.nn.init.normal_(net.weight)
    net.running_mean += rank
    distributed.broadcast_network(net)
    return torch.stack([net.weight.detach(), net.running_mean])


def test_networks_and_their_buffers_begin_equal(tmp_path):
    first, second = in_two(spread, tmp_path, 29613)
    assert torch.equal(first, second)


def test_one_process_fails_with_its_own_error():
    with pytest.raises(DataError, match="own"), distributed.together():
        raise DataError("own")
