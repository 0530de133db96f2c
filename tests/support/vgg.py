"""VGG19 weights of the fixtures, as the file that torchvision publishes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from support.fill import values

# Layers of torchvision's ``features`` by the names that BasicSR's extractor gives them.
_BLOCKS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34))
_CHANNELS = (3, 64, 128, 256, 512, 512)


def write_vgg19(path: Path) -> None:
    """Fill each convolution by the name ``vgg_net.conv<block>_<n>`` and write the state dict."""
    state = {}
    for block, layers in enumerate(_BLOCKS):
        for number, index in enumerate(layers):
            width = _CHANNELS[block + 1]
            shapes = {"weight": (width, _CHANNELS[block] if number == 0 else width, 3, 3)}
            for kind, shape in {**shapes, "bias": (width,)}.items():
                name = f"vgg_net.conv{block + 1}_{number + 1}.{kind}"
                array = np.asarray(values(name, shape))
                state[f"features.{index}.{kind}"] = torch.from_numpy(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
