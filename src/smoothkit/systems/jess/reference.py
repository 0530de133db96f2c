"""Checkpoints as the Easy2Hard and CSGIS-Net programs write them.

Parameter names are those of our networks. What the files do not say is which network they are of:
the published programs changed the number of blocks over time, so it is read from the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothkit.archs.hdc import read_sizes

# The published program reads and writes BGR and cuts the result down to bytes.
HABITS = {"color": "bgr", "rounding": "truncate"}

_PLAIN = "descriptor.res16.0.triple_conv.0.weight"
_DILATED = "descriptor.res16.0.conv_3x3_1.weight"

# What tells a network apart: its top-level modules, the first layer of its first block, its last
# layer. The variants of CSGIS-Net have other modules, another descriptor or fewer layers.
_NETWORKS = {
    "SmoothingBaseline": ("descriptor interpreter", _PLAIN, "interpreter.9.weight"),
    "HDCNet": ("descriptor interpreter", _DILATED, "interpreter.6.weight"),
    "HDCEdgeNet": ("descriptor interpreter1 interpreter2", _DILATED, "interpreter2.9.weight"),
    "JESSNet": ("descriptor interpreter1 interpreter2 refine", _DILATED, "refine.9.weight"),
}


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The ``network_g`` section of the network with these weights, None if it is none of ours.

    Args:
        state: names and weights, without a leading ``module.``.
    """
    modules = {name.partition(".")[0] for name in state}
    for network, (expected, first, last) in _NETWORKS.items():
        if modules == set(expected.split()) and first in state and last in state:
            return {"type": network, **read_sizes(state, last)}
    return None
