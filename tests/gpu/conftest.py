"""What all tests on an accelerator share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from smoothkit.ops.precision import without_tf32

# torch asks once in a process, at the first product of matrices, which another test may make.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture(autouse=True)
def _in_whole_float32() -> Iterator[None]:
    """Float32 that is not rounded to TF32; and the switches that a training turns, put back."""
    is_benchmark = torch.backends.cudnn.benchmark
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    with without_tf32():
        yield
    torch.backends.cudnn.benchmark = is_benchmark
    torch.use_deterministic_algorithms(is_deterministic)
