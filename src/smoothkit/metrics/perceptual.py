"""Perceptual distance by the features of a classification network."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothkit.core.pretrained import find_pretrained
from smoothkit.core.registry import METRIC_REGISTRY
from smoothkit.core.weights import load_file, load_into, network_state
from smoothkit.metrics.base import metric
from smoothkit.ops.precision import without_tf32
from smoothkit.ops.tensor import fast_layout

Backbone = Literal["alex", "vgg"]
# What their poolings leave at least one pixel of.
_LEAST_SIDES: dict[Backbone, int] = {"alex": 31, "vgg": 16}
# As torchvision publishes them.
_FILES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}


def find_weights(
    net: Backbone = "alex", weights: str | None = None, *, key: str = "weights"
) -> Path:
    """The file of the backbone's ImageNet weights; ``key`` is what the user gives it with.

    Raises:
        DataError: it is not on this machine; says where to put it.
    """
    return find_pretrained(_FILES[net], given=weights, key=key)


@METRIC_REGISTRY.register
@metric(better="lower", limits=(0.0, math.inf), needs=find_weights, runs_network=True)
@torch.no_grad()
def lpips(pred: Tensor, gt: Tensor, *, net: Backbone = "alex", weights: str | None = None) -> float:
    """Learned perceptual distance; 0 for equal images.

    Args:
        pred, gt: (3, H, W) or (N, 3, H, W) in [0, 1], RGB; the mean over a batch.
        net: backbone; papers report ``alex`` unless they say otherwise.
        weights: torchvision's ImageNet weights of it; ~ looks where BasicSR and torch keep them.
            The linear weights over the features come with the package ``lpips``.

    Raises:
        DataError: no weights on this machine, or others.
        ValueError: the images differ in shape, are not of 3 channels or too small.

    Source: Zhang et al., CVPR 2018, version 0.1 of the authors' package.
    """
    if pred.shape != gt.shape or pred.shape[-3] != 3:
        shapes = f"{tuple(pred.shape)} and {tuple(gt.shape)}"
        raise ValueError(f"images need one shape, of 3 channels, got {shapes}.")
    pair = (image.reshape(-1, *image.shape[-3:]).float() for image in (pred, gt))
    return float(load_lpips(net, find_weights(net, weights), str(pred.device))(*pair).mean())


class Lpips(nn.Module):
    """The distance with the features of a result computed once for all its ground truths.

    Args:
        published: the package's module.
        least_side: of images, in pixels; smaller ones leave its backbone nothing to compare.
    """

    def __init__(self, published: Any, least_side: int = 1) -> None:
        super().__init__()
        self.published = published
        self.least_side = least_side

    @torch.no_grad()
    @without_tf32()
    def forward(self, pred: Tensor, truths: Tensor) -> Tensor:
        """(K,) distances.

        Args:
            pred: (1, 3, H, W), or (K, 3, H, W); in [0, 1], RGB.
            truths: (K, 3, H, W).

        Raises:
            ValueError: the images are too small.
        """
        height, width = pred.shape[-2:]
        if min(height, width) < self.least_side:
            least = f"sides of {self.least_side} pixels and more"
            raise ValueError(f"LPIPS needs images with {least}, got {height}x{width}.")
        judge = self.published
        images = fast_layout(judge.scaling_layer(2 * torch.cat([pred, truths]) - 1))
        total: Tensor | float = 0.0
        for features, weigh in zip(judge.net(images), judge.lins, strict=True):
            length = features.square().sum(1, keepdim=True).sqrt()
            unit = features / (length + 1e-10)
            difference = (unit[: len(pred)] - unit[len(pred) :]).square()
            total = total + weigh(difference).mean((1, 2, 3))
        assert isinstance(total, Tensor)
        return total


# Reading a network takes longer than measuring an image with it.
@lru_cache(maxsize=2)
def load_lpips(net: Backbone, path: Path, device: str) -> Lpips:
    """The judge with the backbone of a file.

    Raises:
        DataError: a file of something else.
    """
    import lpips as published

    with warnings.catch_warnings():
        # The package builds its backbone by torchvision's old arguments.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        # Random weights, since it would download the others.
        judge: Any = published.LPIPS(net=net, pnet_rand=True, verbose=False)
    published_state = network_state(load_file(path), path)
    names = {key: f"features.{key.partition('.')[2]}" for key in judge.net.state_dict()}
    held = {key: published_state[name] for key, name in names.items() if name in published_state}
    load_into(judge.net, held, path)
    return Lpips(judge, _LEAST_SIDES[net]).eval().requires_grad_(False).to(device)
