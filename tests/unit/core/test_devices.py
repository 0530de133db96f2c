"""Choosing devices and precision."""

from __future__ import annotations

import logging

import pytest
import torch

from smoothkit.core import devices
from smoothkit.core.errors import OptionError


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


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [("off", torch.float32), (False, torch.float32), ("bf16", torch.bfloat16),
     ("fp16", torch.float16)],
)  # fmt: skip
def test_a_named_precision_is_taken(amp, dtype):
    assert devices.choose_precision(amp, torch.device("cpu")) == dtype
