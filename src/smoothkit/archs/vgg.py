"""Frozen features of VGG-16, which losses compare images by."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from smoothkit.core.pretrained import find_pretrained
from smoothkit.core.weights import load_file, load_into, network_state
from smoothkit.ops.imagenet import MEAN, STD

log = logging.getLogger(__name__)

FILE = "vgg16-397923af.pth"  # as torchvision publishes it
RANDOM = "random"
# Channels after each convolution of torchvision's ``features``; 0 is a pooling.
_PLAN = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
_COUNT = sum(2 if width else 1 for width in _PLAN)
_SEED = 0


class Vgg16Features(nn.Module):
    """What VGG-16 computes at some of its layers; nothing behind the last of them is run.

    Its weights do not train; gradients pass to the images. Parameters are named as in
    torchvision's file and have no values yet: see ``load_vgg16``.

    Args:
        taps: indices in torchvision's ``features``, ascending: 3, 8, 15, 22 and 29 are the last
            ReLU of each stage.
        normalize: images are first shifted and scaled by ImageNet's mean and deviation.

    Raises:
        ValueError: no such layers.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, taps: Sequence[int], *, normalize: bool = False) -> None:
        super().__init__()
        if not taps or list(taps) != sorted(set(taps)) or taps[0] < 0 or taps[-1] >= _COUNT:
            raise ValueError(f"taps: must ascend from 0 to {_COUNT - 1}, got {list(taps)}.")
        self.taps, self.normalize = tuple(taps), normalize
        self.features = nn.Sequential(*islice(_layers(self.taps), taps[-1] + 1))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        num_pools = sum(isinstance(layer, nn.MaxPool2d) for layer in self.features)
        self.min_size = 2**num_pools
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features at each tap, (N, C, H', W'), in the number format of the weights.

        Args:
            images: (N, 3, H, W) in [0, 1], RGB as the weights were made for.

        Raises:
            ValueError: the images are too small.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.min_size:
            raise ValueError(
                f"images: layer {self.taps[-1]} of VGG-16 needs at least {self.min_size} x "
                f"{self.min_size} pixels, got {height} x {width}. Use larger patches."
            )
        x = images.to(self.mean.dtype)
        if self.normalize:
            x = (x - self.mean) / self.std
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found


def load_vgg16(
    taps: Sequence[int],
    weights: str | None = None,
    *,
    normalize: bool = False,
    key: str = "weights",
) -> Vgg16Features:
    """Features of VGG-16 with weights.

    Args:
        taps, normalize: see ``Vgg16Features``.
        weights: torchvision's file of ImageNet weights; ~ looks where BasicSR and torch keep it.
            ``random``: the same random weights every time, for trials without the file.
        key: option that the path can be given with, for messages.

    Raises:
        DataError: no such file, or one of something else.
    """
    net = Vgg16Features(taps, normalize=normalize)
    if weights == RANDOM:
        log.warning(
            "VGG-16 has random weights (%s: %s). Published figures need ImageNet's.", key, RANDOM
        )
        _fill_randomly(net)
        return net
    path = find_pretrained(FILE, given=weights, key=key if weights is None else None)
    published = network_state(load_file(path), path)
    held = {name: published[name] for name in net.state_dict() if name in published}
    load_into(net, held, path)
    return net


def _layers(taps: Sequence[int]) -> Iterator[nn.Module]:
    """torchvision's ``features``, in order."""
    before, index = 3, 0
    for width in _PLAN:
        if width:
            # Without initial values: drawing them takes long, and moves the run's random state.
            yield torch.nn.utils.skip_init(nn.Conv2d, before, width, 3, padding=1)
            yield nn.ReLU(inplace=index not in taps)  # in place, unless what comes in is kept
            before = width
        else:
            yield nn.MaxPool2d(2)
        index += 2 if width else 1


def _fill_randomly(net: Vgg16Features) -> None:
    """He's initialisation, from a generator of its own."""
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for layer in net.features:
            if isinstance(layer, nn.Conv2d):
                fan_in = layer.weight[0].numel()
                layer.weight.normal_(0.0, math.sqrt(2 / fan_in), generator=generator)
                layer.bias.zero_()
