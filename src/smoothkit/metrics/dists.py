"""Deep image structure and texture similarity."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.core.pretrained import find_pretrained
from smoothkit.core.registry import METRIC_REGISTRY
from smoothkit.core.weights import load_file, load_into, network_state
from smoothkit.metrics.base import metric
from smoothkit.ops.imagenet import MEAN, STD
from smoothkit.ops.precision import without_tf32
from smoothkit.ops.tensor import fast_layout

_BACKBONE = "vgg16-397923af.pth"
_WEIGHTS = "dists_weights.pt"
# There it is called weights.pt.
_SOURCE = "https://github.com/dingkeyan93/DISTS"
# Convolutions of torchvision's VGG16 by stage; each but the first begins with a pooling.
_STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_CHANNELS = (3, 64, 128, 256, 512, 512)
_SMALL = 1e-6


def find_weights(
    weights: str | None = None,
    backbone: str | None = None,
    *,
    keys: tuple[str, str] = ("weights", "backbone"),
) -> tuple[Path, Path]:
    """The published alpha and beta, and the backbone's ImageNet weights.

    Args:
        weights, backbone: files, if not where they are looked for.
        keys: what the user gives these with.

    Raises:
        DataError: one is not on this machine; says where to put it.
    """
    return (
        find_pretrained(_WEIGHTS, given=weights, key=keys[0], source=_SOURCE),
        find_pretrained(_BACKBONE, given=backbone, key=keys[1]),
    )


@METRIC_REGISTRY.register
@metric(better="lower", limits=(-math.inf, math.inf), needs=find_weights, runs_network=True)
def dists(
    pred: Tensor, gt: Tensor, *, weights: str | None = None, backbone: str | None = None
) -> float:
    """Distance of structure and texture; 0 for equal images.

    Args:
        pred, gt: (3, H, W) or (N, 3, H, W) in [0, 1], RGB, not resized; the mean over a batch.
        weights: the published file of alpha and beta; ~ looks for ``dists_weights.pt`` where
            BasicSR and torch keep weights.
        backbone: torchvision's ImageNet weights of VGG16; ~ looks there too.

    Raises:
        DataError: no weights on this machine, or others.
        ValueError: the images differ in shape or are not of 3 channels.

    Source: Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity",
    IEEE TPAMI 2020.
    """
    if pred.shape != gt.shape or pred.shape[-3] != 3:
        shapes = f"{tuple(pred.shape)} and {tuple(gt.shape)}"
        raise ValueError(f"images need one shape, of 3 channels, got {shapes}.")
    pairs = (image.reshape(-1, *image.shape[-3:]).float() for image in (pred, gt))
    judge = load_dists(*find_weights(weights, backbone), str(pred.device))
    return float(judge(*pairs).mean())


class Dists(nn.Module):
    """VGG16 with smooth pooling, and the weights of what its features are compared by."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        for number, layers in enumerate(_STAGES, 1):
            stage = nn.Sequential()
            if number > 1:
                stage.add_module(str(layers[0] - 1), _SmoothPool(_CHANNELS[number - 1]))
            for position, index in enumerate(layers):
                before = _CHANNELS[number - 1] if position == 0 else _CHANNELS[number]
                stage.add_module(str(index), nn.Conv2d(before, _CHANNELS[number], 3, padding=1))
                stage.add_module(str(index + 1), nn.ReLU())
            self.add_module(f"stage{number}", stage)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, -1, 1, 1))
        self.alpha = nn.Parameter(torch.zeros(1, sum(_CHANNELS), 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, sum(_CHANNELS), 1, 1))

    @torch.no_grad()
    @without_tf32()
    def forward(self, pred: Tensor, truths: Tensor) -> Tensor:
        """(K,) distances.

        Args:
            pred: (1, 3, H, W), or (K, 3, H, W); in [0, 1], RGB.
            truths: (K, 3, H, W).
        """
        total = self.alpha.sum() + self.beta.sum()
        weights = zip(
            (self.alpha / total).split(_CHANNELS, 1),
            (self.beta / total).split(_CHANNELS, 1),
            strict=True,
        )
        maps = zip(self._maps(pred), self._maps(truths), strict=True)
        distance: Tensor | float = 1.0
        for (alpha, beta), (x, y) in zip(weights, maps, strict=True):
            mean_x, mean_y = (f.mean((2, 3), keepdim=True) for f in (x, y))
            var_x = (x - mean_x).square().mean((2, 3), keepdim=True)
            var_y = (y - mean_y).square().mean((2, 3), keepdim=True)
            covariance = (x * y).mean((2, 3), keepdim=True) - mean_x * mean_y
            texture = (2 * mean_x * mean_y + _SMALL) / (mean_x**2 + mean_y**2 + _SMALL)
            structure = (2 * covariance + _SMALL) / (var_x + var_y + _SMALL)
            distance = distance - (alpha * texture + beta * structure).sum((1, 2, 3))
        assert isinstance(distance, Tensor)
        return distance

    def _maps(self, image: Tensor) -> list[Tensor]:
        """The image itself and the features of each stage."""
        maps = [image]
        features = fast_layout((image - self.mean) / self.std)
        for number in range(1, len(_STAGES) + 1):
            features = getattr(self, f"stage{number}")(features)
            maps.append(features)
        return maps


class _SmoothPool(nn.Module):
    """Root of the mean square under a Hanning window, at every second pixel."""

    filter: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        side = np.hanning(5)[1:-1]
        window = torch.from_numpy(np.outer(side, side) / side.sum() ** 2).float()
        self.register_buffer("filter", window.expand(channels, 1, 3, 3).clone())
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        mean = F.conv2d(x**2, self.filter, stride=2, padding=1, groups=self.channels)
        return (mean + 1e-12).sqrt()


@lru_cache(maxsize=2)
def load_dists(weights: Path, backbone: Path, device: str) -> Dists:
    """The judge with its published weights.

    Raises:
        DataError: files of something else.
    """
    judge = Dists().eval().requires_grad_(False)
    published = network_state(load_file(backbone), backbone)
    features = {}
    for number, layers in enumerate(_STAGES, 1):
        for index in layers:
            for kind in ("weight", "bias"):
                if (name := f"features.{index}.{kind}") in published:
                    features[f"stage{number}.{index}.{kind}"] = published[name]
    constants = {k: v for k, v in judge.state_dict().items() if _is_constant(k)}
    shares = load_file(weights)
    given = {k: shares[k] for k in ("alpha", "beta") if k in shares}
    load_into(judge, {**constants, **features, **given}, weights)
    return judge.to(device)


def _is_constant(name: str) -> bool:
    return name in ("mean", "std") or name.endswith("filter")
