"""What CUDA says when it lacks something, recognised where there is none."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core.devices import is_out_of_memory
from smoothkit.models import networks


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_lack_of_memory_in_cuda_s_libraries_is_such(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))


@pytest.mark.parametrize(
    ("chosen", "there", "can"),
    [
        ("", ["gcc"], True),
        ("", ["clang"], True),
        ("", ["g++"], False),
        ("icc -m64", ["gcc"], False),
        ("icc -m64", ["icc"], True),
    ],
)
def test_compiling_for_cuda_needs_the_c_compiler_that_triton_takes(
    monkeypatch: pytest.MonkeyPatch, chosen: str, there: list[str], can: bool
) -> None:
    monkeypatch.setenv("CC", chosen)
    monkeypatch.setattr(networks.shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(networks, "find_spec", lambda name: name)
    assert networks.can_compile(torch.device("cuda")) is can


def test_nothing_is_compiled_without_triton_and_it_is_said(monkeypatch, caplog) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    assert not networks.can_compile(torch.device("cuda"))
    assert "needs Triton and a C compiler" in caplog.text
