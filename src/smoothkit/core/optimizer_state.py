"""Going on with an optimiser from a saved state, where its options may have been edited since."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from smoothkit.core.errors import Fault, OptionError

log = logging.getLogger(__name__)

# How an optimiser steps, not by what: that of this machine counts.
_HOW = ("foreach", "fused")

# Options that versions of torch added to optimisers, which older states do not tell of.
_ADDED = frozenset(
    {"foreach", "maximize", "capturable", "differentiable", "fused", "decoupled_weight_decay"}
)


def options_of(optimizer: Optimizer) -> dict[str, Any]:
    """Class and options of an optimiser that no schedule has changed yet, for a state to keep."""
    groups = [
        {key: value for key, value in group.items() if key not in ("params", *_HOW)}
        for group in optimizer.param_groups
    ]
    return {"type": type(optimizer).__name__, "groups": groups}


def load_optimizer(
    optimizer: Optimizer,
    saved: Mapping[str, Any],
    options: Mapping[str, Any],
    held: Mapping[str, Any] | None,
    where: str,
) -> bool:
    """Go on from ``saved``; an option that was edited since counts, with a warning.

    Args:
        optimizer: new, as ``options`` say.
        saved: its ``state_dict`` in the state.
        options, held: ``options_of`` the new and of the saved optimiser; None where the state does
            not tell.
        where: dotted path of the optimiser's section.

    Returns:
        Whether the learning rate was edited, so that the saved rates mean nothing.

    Raises:
        OptionError: the state is another optimiser's.
    """
    _refuse_other(optimizer, saved, held, where)
    fresh = [dict(group) for group in optimizer.param_groups]
    groups = [dict(group) for group in saved["param_groups"]]
    for group, first in zip(groups, fresh, strict=False):
        group.update({key: first[key] for key in _HOW if key in first})
    optimizer.load_state_dict({**saved, "param_groups": groups})
    edited: dict[str, str] = {}
    old_groups = held["groups"] if held is not None else ()
    for group, first, new, old in zip(
        optimizer.param_groups, fresh, options["groups"], old_groups, strict=False
    ):
        for key in (key for key in new if key in old and new[key] != old[key]):
            edited[key] = f"{key} is {new[key]}, was {old[key]}"
            group[key] = first[key]
    if edited:
        log.warning(
            "%s: %s when the state was saved. The new value counts from here on.",
            where, ", ".join(edited.values()),
        )  # fmt: skip
    return "lr" in edited


def _refuse_other(
    optimizer: Optimizer, saved: Mapping[str, Any], held: Mapping[str, Any] | None, where: str
) -> None:
    kind = type(optimizer).__name__
    if held is not None:
        is_other, old = held["type"] != kind, str(held["type"])
    else:  # a state of BasicSR's, or of an older version
        known = set(saved["param_groups"][0])
        is_other, old = bool(set(optimizer.defaults) - known - _ADDED), "another optimiser"
    if is_other:
        message = (
            f"is {kind}, but the state to go on from was saved with {old}. Keep that one, or start "
            "from the weights of that run with path.pretrain_network_g."
        )
        raise OptionError([Fault(f"{where}.type", message)])
