"""Where the tests marked ``gpu`` run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from smoothkit.core.basicsr_compat import is_installed
from smoothkit.core.devices import accelerator
from smoothkit.core.errors import SmoothkitError

# With the value "cpu" they run without an accelerator too, which tries the tests themselves.
VARIABLE = "SMOOTHKIT_GPU_CHECK"
NO_DEVICE = f"no accelerator here; {VARIABLE}=cpu tries the test itself on the CPU"


def find_device() -> torch.device | None:
    """The device of the tests marked ``gpu``; None where they are to be skipped."""
    kind = accelerator()
    if kind is not None:
        return torch.device(kind, 0)
    return torch.device("cpu") if os.environ.get(VARIABLE) == "cpu" else None


def need_basicsr(what: str) -> None:
    """Skip the test where BasicSR is not installed, and say what is left out."""
    if not is_installed():
        pytest.skip(f"BasicSR is not installed here, and {what} needs it")


@contextmanager
def skipped_without_basicsr(what: str) -> Iterator[None]:
    """Skip the test where its body finds out that it needs BasicSR."""
    try:
        yield
    except (ModuleNotFoundError, SmoothkitError) as error:
        if "BasicSR" in str(error):
            need_basicsr(what)
        raise
