"""Features of VGG networks with random weights, without the time that their classifiers take."""

from __future__ import annotations

import torch
import torchvision
from torch import nn


def random_features(name: str) -> nn.Sequential:
    """``features`` of the network called ``vgg16`` or ``vgg19``; the same weights every time."""
    torch.manual_seed(0)
    with torch.device("meta"):
        features = getattr(torchvision.models, name)().features
    features = features.to_empty(device="cpu")
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return features
