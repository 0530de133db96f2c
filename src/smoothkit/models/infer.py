"""Which network a checkpoint holds, asked of every system that knows published layouts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothkit.core.registry import system_modules


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The network section (``type`` and constructor arguments) that ``state`` fits, if any.

    Each system's ``reference.py`` may define ``infer_network(state)``; the first that knows the
    parameter names answers.
    """
    for module in system_modules("reference"):
        infer = getattr(importlib.import_module(module), "infer_network", None)
        found: dict[str, Any] | None = infer(state) if infer is not None else None
        if found is not None:
            return found
    return None
