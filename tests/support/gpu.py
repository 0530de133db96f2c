"""Where the tests marked ``gpu`` run."""

from __future__ import annotations

import os

import pytest
import torch

from smoothkit.core.basicsr_compat import is_installed
from smoothkit.core.devices import accelerator

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
