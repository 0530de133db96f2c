"""Switches of CUDA, which can be turned where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from smoothkit.core.settings import RunSettings
from smoothkit.engine.setup import _set_backends
from smoothkit.ops.precision import without_tf32


def switches() -> tuple[bool, bool, bool, bool]:
    cudnn = torch.backends.cudnn
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    tf32 = torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32
    return (*tf32, cudnn.benchmark, is_deterministic)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = switches()
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before[:2]
    torch.backends.cudnn.benchmark = before[2]
    torch.use_deterministic_algorithms(before[3])


def test_a_deterministic_run_has_what_cublas_needs_for_it(monkeypatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    _set_backends(RunSettings("run"))
    assert switches() == (True, True, True, False)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    _set_backends(RunSettings("run", deterministic=True, tf32=False))
    assert switches() == (False, False, False, True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    _set_backends(RunSettings("run", deterministic=True))
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_exact_products_leave_the_switches_as_they_were_also_after_an_error() -> None:
    _set_backends(RunSettings("run"))

    @without_tf32()
    def fail() -> None:
        raise KeyError(switches()[:2])

    with pytest.raises(KeyError, match="False, False"):
        fail()
    assert switches()[:2] == (True, True)
