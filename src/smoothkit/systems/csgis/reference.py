"""Checkpoints as the CSGIS-Net programs write them.

Parameter names are those of our networks. What the files do not say is which network they are of,
nor its size: the published programs train and test with different numbers of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from smoothkit.archs.hdc import read_sizes

# The published network was trained on RGB, but its program smooths BGR, and cuts the result down to
# bytes. What it published is the result of that.
HABITS = {"color": "bgr", "rounding": "truncate"}


class _Marks(NamedTuple):
    """What tells a network apart.

    Args:
        first: a weight that no other network has.
        last: weight of the last layer.
        modules: at the top, besides those of JESS-Net.
        blocks_name: of the descriptor's list of blocks.
    """

    first: str
    last: str = "refine.9.weight"
    modules: str = ""
    blocks_name: str = "res16"


_JESS_NET = {"descriptor", "interpreter1", "interpreter2", "refine"}
_NETWORKS = {
    "CBAMSmoothingNet": _Marks("cbam1.ChannelGate.mlp.1.weight", modules="cbam1 cbam2"),
    "ECASmoothingNet": _Marks("eca1.conv.weight", modules="eca1 eca2"),
    "PDPSmoothingNet": _Marks("interpreter2.3.PP1.conv_3x3_1.weight", last="refine.4.weight"),
    "RDBSmoothingNet": _Marks("descriptor.des.0.conv0.0.weight", blocks_name="des"),
    "EdgeGuidedSmoothingNet": _Marks("egnl.theta.weight", modules="egnl tail"),
}


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The ``network_g`` section of the network with these weights, None if it is none of ours.

    Args:
        state: names and weights, without a leading ``module.``.
    """
    modules = {name.partition(".")[0] for name in state}
    for network, marks in _NETWORKS.items():
        needed = {marks.first, marks.last, "descriptor.conv_in.weight"}
        if modules == _JESS_NET | set(marks.modules.split()) and needed <= state.keys():
            return {"type": network, **read_sizes(state, marks.last, marks.blocks_name)}
    return None
