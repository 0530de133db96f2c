"""Losses that two or more systems share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def build_loss(opt: Mapping[str, Any], *, where: str = "train") -> Any:
    """The loss that ``{'type': NAME, **constructor arguments}`` describes.

    Raises:
        OptionError: unknown type or key, missing key, wrong kind of value.
    """
    from smoothkit.core.registry import LOSS_REGISTRY

    return LOSS_REGISTRY.build(opt, where=where)
