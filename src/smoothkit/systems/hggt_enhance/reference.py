"""HGGT's published option files of enhancement in our form, and what its checkpoints look like.

The only module that knows the published names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothkit.core.weights import count_parts


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The ``network_g`` section of a network with these weights, None if they are of none here.

    Sides of windows, ranges and means leave no trace in the weights: they are the published ones.
    """
    if "body.0.modules_lfe.lfe_0.conv0.shift_conv.weight" in state:
        return _elan(state)
    if "body.0.residual_group.0.rcab.0.weight" in state and "upsample.0.weight" not in state:
        return _rcan(state)
    return None


def _elan(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width, colors = state["head.0.weight"].shape[:2]
    pairs = count_parts(state, "body.0.modules_lfe.")
    expanded = state["body.0.modules_lfe.lfe_0.conv0.shift_conv.conv1x1.weight"].shape[0]
    return {
        "type": "ELAN",
        "scale": math.isqrt(state["tail.0.weight"].shape[0] // colors),
        "colors": colors,
        "m_elan": pairs * count_parts(state, "body."),
        "c_elan": width,
        "n_share": pairs - 1,
        "r_expand": expanded // width,
    }


def _rcan(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width, channels = state["conv_first.weight"].shape[:2]
    squeezed = state["body.0.residual_group.0.rcab.3.attention.1.weight"].shape[0]
    return {
        "type": "RCANNOUP",
        "num_in_ch": channels,
        "num_out_ch": state["conv_last.weight"].shape[0],
        "num_feat": width,
        "num_group": count_parts(state, "body."),
        "num_block": count_parts(state, "body.0.residual_group."),
        "squeeze_factor": width // squeezed,
    }
