"""Choosing devices and precision."""

from __future__ import annotations

import logging

import pytest
import torch

from smoothkit.core import devices
from smoothkit.core.errors import OptionError
from smoothkit.models.load import device_called


def machine(monkeypatch, kind, count):
    monkeypatch.setattr(devices, "accelerator", lambda: kind)
    monkeypatch.setattr(devices, "accelerator_count", lambda: count)


@pytest.mark.parametrize(
    ("kind", "count", "num_gpu", "device"),
    [
        (None, 0, "auto", "cpu"),
        (None, 0, 0, "cpu"),
        (None, 0, 1, "cpu"),
        ("cuda", 2, "auto", "cuda:1"),
        ("cuda", 2, 0, "cpu"),
        ("cuda", 2, 2, "cuda:1"),
        ("mps", 1, "auto", "mps:0"),
        ("mps", 1, 1, "mps:0"),
    ],
)
def test_the_device_of_a_process(monkeypatch, kind, count, num_gpu, device):
    machine(monkeypatch, kind, count)
    assert str(devices.choose_device(num_gpu, local_rank=1, is_launched=True)) == device


@pytest.mark.parametrize(
    ("kind", "count", "num_gpu"), [(None, 0, 2), ("cuda", 1, 2), ("mps", 1, 3)]
)
def test_more_than_there_are_is_an_error(monkeypatch, kind, count, num_gpu):
    machine(monkeypatch, kind, count)
    with pytest.raises(OptionError, match=f"num_gpu: asks for {num_gpu} accelerators"):
        devices.choose_device(num_gpu)


def test_several_gpus_without_a_launcher_print_the_torchrun_line(monkeypatch, caplog):
    machine(monkeypatch, "cuda", 4)
    monkeypatch.setattr(logging.getLogger("smoothkit"), "propagate", True)
    assert str(devices.choose_device("auto")) == "cuda:0"
    assert "torchrun --nproc_per_node=4 -m smoothkit.train" in caplog.text


def test_inference_on_several_gpus_says_how_to_take_another(monkeypatch, caplog):
    machine(monkeypatch, "cuda", 8)
    monkeypatch.setattr(logging.getLogger("smoothkit"), "propagate", True)
    assert str(device_called("auto")) == "cuda:0"
    assert "One of 8 GPUs is used. --device cuda:N" in caplog.text
    assert "torchrun" not in caplog.text


@pytest.mark.parametrize(("count", "device"), [(1, "cuda:0"), (2, "cuda:1"), (8, "cuda:3")])
def test_slurm_may_show_each_process_fewer_gpus_than_it_has_processes(monkeypatch, count, device):
    machine(monkeypatch, "cuda", count)
    options = {"local_rank": 3, "is_launched": True, "takes_turns": True}
    assert str(devices.choose_device(8, **options)) == device


def test_torchrun_refuses_more_processes_than_gpus(monkeypatch):
    machine(monkeypatch, "cuda", 2)
    with pytest.raises(OptionError, match="this machine has 2 GPUs, and process 2 was started"):
        devices.choose_device("auto", local_rank=2, is_launched=True)


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [("off", torch.float32), (False, torch.float32), ("bf16", torch.bfloat16),
     ("fp16", torch.float16)],
)  # fmt: skip
def test_a_named_precision_is_taken(amp, dtype):
    assert devices.choose_precision(amp, torch.device("cpu")) == dtype
