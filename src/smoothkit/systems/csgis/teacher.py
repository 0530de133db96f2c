"""Weights of segmentation networks, in the layouts in which they are published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from smoothkit.core.errors import DataError
from smoothkit.core.weights import State, load_file, load_into, network_state
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus

log = logging.getLogger(__name__)

_LOGITS = "classifier.classifier.3.weight"
_NUM_LOW = 4  # entries of torchvision's MobileNetV2 before the name of the list changes
_NUM_ENTRIES = 18  # those that the network has
_BOTTLENECKS = {6: "resnet50", 23: "resnet101"}  # by blocks of the third layer


def load_teacher(net: nn.Module, path: str | Path, *, trains: bool = False) -> None:
    """Load a file of weights into a segmentation network.

    Args:
        net: a DeepLabV3+ in whole; of any other network, the file has to have all entries.
        path: a checkpoint of the public repository (``model_state``), of ours, or a bare state
            dict. For a network that trains also torchvision's weights for ImageNet, which start
            its backbone only.
        trains: whether the network trains.

    Raises:
        DataError: the file cannot be used, or holds another network; says which where it can.
    """
    state = network_state(load_file(path), path)
    if isinstance(net, DeepLabV3Plus):
        held = _backbone_of(state)
        if held is not None and held != net.backbone_name:
            raise DataError(
                f"{path}: holds weights for the backbone {held}, the network has "
                f"{net.backbone_name}. Set network.backbone to {held}, or give other weights."
            )
        if _is_backbone_alone(state):
            _load_backbone(net, state, path, trains=trains)
            return
        _refuse_other_classes(net, state, path)
    load_into(net, state, path)
    log.info("segmentation: weights of %s loaded.", path)


def _refuse_other_classes(
    net: DeepLabV3Plus, state: Mapping[str, Tensor], path: str | Path
) -> None:
    held = state[_LOGITS].shape[0] if _LOGITS in state else net.num_classes
    if held != net.num_classes:
        raise DataError(
            f"{path}: tells {held} classes apart, the network {net.num_classes}. Set "
            f"network.num_classes to {held} for masks of at most that many classes, or give other "
            "weights."
        )


def _load_backbone(
    net: DeepLabV3Plus, state: Mapping[str, Tensor], path: str | Path, *, trains: bool
) -> None:
    if not trains:
        raise DataError(
            f"{path}: holds a backbone for ImageNet without the layers that segment, so that a "
            "frozen network would give noise. Give weights of the whole network, or set "
            "'fixed: false' to train it."
        )
    own = net.backbone.state_dict()
    # Files of old versions of torch do not count batches.
    counters = {name: value for name, value in own.items() if name.endswith("batches_tracked")}
    load_into(net.backbone, {**counters, **_renamed(state)}, path)
    log.info("segmentation: backbone from %s; the layers behind it start at random.", path)


def _renamed(state: Mapping[str, Tensor]) -> State:
    """torchvision's entries by the names of our backbones; without those of its classifiers."""
    renamed = {}
    for name, value in state.items():
        head, _, rest = name.partition(".")
        if head in ("fc", "classifier"):
            continue
        if head != "features":
            renamed[name] = value
        elif (number := int(rest.partition(".")[0])) < _NUM_ENTRIES:
            part = "low" if number < _NUM_LOW else "high"
            renamed[f"{part}_level_features.{rest}"] = value
    return renamed


def _is_backbone_alone(state: Mapping[str, Tensor]) -> bool:
    return "features.1.conv.0.0.weight" in state or "layer1.0.conv1.weight" in state


def _backbone_of(state: Mapping[str, Tensor]) -> str | None:
    """The backbone that the entries belong to, where one of ours."""
    names = {name.removeprefix("backbone.") for name in state}
    if {"low_level_features.1.conv.0.0.weight", "features.1.conv.0.0.weight"} & names:
        return "mobilenet"
    # Shallow ResNets have no third convolution in a block.
    count = sum(f"layer3.{number}.conv3.weight" in names for number in range(100))
    return _BOTTLENECKS.get(count)
