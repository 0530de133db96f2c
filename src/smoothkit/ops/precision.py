"""Number formats for sums that must not lose digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` as float32, or as it is where it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def without_tf32() -> Iterator[None]:
    """Products in whole float32, whatever CUDA may round their factors to elsewhere."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
