"""VGG weights of the fixtures, as the files that torchvision publishes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from support.fill import values

# Layers of torchvision's ``features`` by block.
_VGG16 = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_VGG19 = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34))
_CHANNELS = (3, 64, 128, 256, 512, 512)


def write_vgg19(path: Path) -> None:
    """Fill each convolution by the name that BasicSR gives it and write the state dict."""
    _write(path, _VGG19, lambda block, number, index: f"vgg_net.conv{block}_{number}")


def write_vgg16(path: Path) -> None:
    """Fill each convolution by torchvision's own name and write the state dict."""
    _write(path, _VGG16, lambda block, number, index: f"features.{index}")


def _write(
    path: Path, blocks: tuple[tuple[int, ...], ...], named: Callable[[int, int, int], str]
) -> None:
    state = {}
    for block, layers in enumerate(blocks):
        width = _CHANNELS[block + 1]
        for number, index in enumerate(layers):
            shapes = {"weight": (width, _CHANNELS[block] if number == 0 else width, 3, 3)}
            for kind, shape in {**shapes, "bias": (width,)}.items():
                array = np.asarray(values(f"{named(block + 1, number + 1, index)}.{kind}", shape))
                state[f"features.{index}.{kind}"] = torch.from_numpy(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
