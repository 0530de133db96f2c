"""Checkpoints as the LSA-Matting program writes them: ``ckpt_e{epoch}.pth``, under our names.

The files do not say which of the network's variants they hold; the names of the weights do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

_STEM = "backbone.stem.2.conv.weight"
_HEAD = "decoder.final_final.conv3.weight"
_SKIPS = {"skip.aspp5.": "aspp", "skip.ppm.": "ppm", "skip.skip5.": "attention"}


def infer_network(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The ``network_g`` section of the network with these weights, None if it is none of ours.

    Args:
        state: names and weights, without a leading ``module.``.
    """
    if _STEM not in state or _HEAD not in state:
        return None
    skips = [kind for start, kind in _SKIPS.items() if any(k.startswith(start) for k in state)]
    return {
        "type": "LsaNet",
        "decoder": "fam" if "decoder.final_fusion.flow_make.weight" in state else "simple",
        "skip": skips[0] if skips else "plain",
        "width": state[_STEM].shape[0],
        "blocks": [_num_blocks(state, number) for number in range(1, 5)],
    }


def _num_blocks(state: Mapping[str, Tensor], layer: int) -> int:
    start = f"backbone.layer{layer}."
    return len({name[len(start) :].partition(".")[0] for name in state if name.startswith(start)})
