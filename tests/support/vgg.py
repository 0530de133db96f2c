"""VGG weights of the fixtures, as the files that torchvision publishes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision

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
    _write(path, _VGG16, _by_index)


def write_vgg19_by_index(path: Path) -> None:
    """Fill each convolution by torchvision's own name and write the state dict."""
    _write(path, _VGG19, _by_index)


def _by_index(block: int, number: int, index: int) -> str:
    return f"features.{index}"


def write_judges(folder: Path) -> None:
    """Random weights of the networks that metrics compare features of, under published names."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    alexnet = torchvision.models.alexnet(weights=None).features
    vgg = torchvision.models.vgg16(weights=None).features
    shares = {key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}
    torch.save(alexnet.state_dict(prefix="features."), folder / "alexnet-owt-7be5be79.pth")
    torch.save(vgg.state_dict(prefix="features."), folder / "vgg16-397923af.pth")
    torch.save(shares, folder / "dists_weights.pt")


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
