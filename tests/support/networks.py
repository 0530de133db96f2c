"""Small networks of the registries, and what goes into them."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.registry import ARCH_REGISTRY

# Sizes that make a network small; those that it does not have are left out.
SMALL: dict[str, Any] = {
    "dim": 8,
    "num_block": 1,
    "width": 4,
    "nb": 1,
    "nf": 8,
    "gc": 4,
    "num_feat": 8,
    "num_grow_ch": 4,
}
SMALL |= {"depths": [1, 1], "num_heads": [2, 2], "embed_dim": 8, "img_size": 16}
SMALL |= {"blocks": [1, 1, 1, 1]}
SMALL |= {"num_in_ch": 3, "num_out_ch": 3, "num_group": 1, "squeeze_factor": 4}
SMALL |= {"m_elan": 2, "c_elan": 12, "window_sizes": [2, 4, 8]}

# Networks that images go into.
IMAGE_NETWORKS = [name for name, cls in ARCH_REGISTRY if getattr(cls, "io", True)]

# Networks of BasicSR that our option files and users name, made small.
BASICSR: dict[str, dict[str, Any]] = {
    "RRDBNet": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4},
    "EDSR": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4},
    "RCAN": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 16, "num_group": 1, "num_block": 1},
    "SwinIR": {
        "upscale": 2,
        "img_size": 16,
        "window_size": 4,
        "depths": [1],
        "embed_dim": 8,
        "num_heads": [2],
        "upsampler": "pixelshuffle",
    },
    "SRVGGNetCompact": {"num_feat": 8, "num_conv": 1},
    "MSRResNet": {"num_feat": 8, "num_block": 1},
}


def small(name: str) -> nn.Module:
    """The network of our registry called ``name``, with few weights."""
    known = inspect.signature(ARCH_REGISTRY.get(name)).parameters
    return build_network({"type": name, **{k: v for k, v in SMALL.items() if k in known}})


def in_channels(net: nn.Module) -> int:
    """Channels of the images that a network takes."""
    return getattr(getattr(net, "io", None), "channels", 3)


def input_of(net: nn.Module, side: int = 32) -> Tensor:
    """Two random inputs: images, or rows of values where a network takes no images."""
    generator = torch.Generator().manual_seed(0)
    width = getattr(net, "WIDTH", None)
    shape = (2, in_channels(net), side, side) if width is None else (16, width)
    return torch.rand(shape, generator=generator)
