"""Network parts that two or more systems share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def build_network(opt: Mapping[str, Any], *, where: str = "network_g") -> Any:
    """The network that ``{'type': NAME, **constructor arguments}`` describes.

    Raises:
        OptionError: unknown type or key, missing key, wrong kind of value.
    """
    from smoothkit.core.registry import ARCH_REGISTRY

    return ARCH_REGISTRY.build(opt, where=where)
