"""Which network a checkpoint holds, asked of every system that knows published layouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothkit.core.translation import ask_systems
from smoothkit.core.weights import inner_states


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The network section (``type`` and constructor arguments) that ``state`` fits, if any.

    Each system's ``reference.py`` may define ``infer_network(state)``; the first that knows the
    parameter names answers. Of a wrapper's state it is the network inside.
    """
    candidates = [state, *inner_states(state)]
    found: dict[str, Any] | None = ask_systems(
        "infer_network", lambda infer: next(filter(None, map(infer, candidates)), None)
    )
    return found
