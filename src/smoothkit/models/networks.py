"""Building, loading and wrapping the networks of a model."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from smoothkit.archs import build_network
from smoothkit.core.errors import DataError
from smoothkit.core.options import thaw
from smoothkit.core.registry import ARCH_REGISTRY, DATASET_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import TrainSettings
from smoothkit.core.signature import defaults
from smoothkit.core.weights import load_file, load_into, network_meta, network_state
from smoothkit.models.infer import infer_network

log = logging.getLogger(__name__)


def build_logged(section: Mapping[str, Any], where: str) -> nn.Module:
    """The network of a ``network_<x>`` section, its size logged."""
    net: nn.Module = build_network(section, where=where)
    count = sum(p.numel() for p in net.parameters())
    log.info("%s: %s, %s parameters.", where, type(net).__name__, f"{count:,}")
    return net


def load_pretrained(
    net: nn.Module, opt: Mapping[str, Any], label: str, *, key: str | None = None
) -> None:
    """Load ``path.pretrain_network_<x>`` into ``net``, where the options name one.

    Args:
        net: the network.
        opt: the whole option file.
        label: ``net_g``, ...
        key: entry of the file, before ``path.param_key_<x>``.

    Raises:
        DataError: the file cannot be used, or holds weights of another network.
    """
    paths = opt.get("path") or {}
    letter = label.removeprefix("net_")
    path = paths.get(f"pretrain_network_{letter}")
    if not path:
        return
    content = load_file(path)
    if letter == "g" and key is None:
        _warn_of_other_color(network_meta(content).get("color"), opt, path)
    entry = key or paths.get(f"param_key_{letter}")
    state = network_state(content, path, entry)
    try:
        load_into(net, state, path, strict=paths.get(f"strict_load_{letter}", True))
    except DataError as error:
        held = network_meta(content).get("network") or infer_network(state)
        hint = f" The file holds {_described(held)}." if held else ""
        raise DataError(f"{error}{hint}") from error
    log.info("%s: weights of %s loaded.", label, path)


def _warn_of_other_color(held: str | None, opt: Mapping[str, Any], path: str) -> None:
    """Say so where data come in another channel order than the one that weights were made for."""
    if held not in ("rgb", "bgr"):
        return
    for phase, section in (opt.get("datasets") or {}).items():
        cls = DATASET_REGISTRY.get(section["type"])
        given = {"color": "rgb", **defaults(cls), **section}["color"]
        if given in ("rgb", "bgr") and given != held:
            log.warning(
                "path.pretrain_network_g: %s was trained with color: %s, but datasets.%s gives "
                "color: %s, so that results are wrong. Set its 'color' to %s.",
                path, held, phase, given, held,
            )  # fmt: skip


def wrap(net: nn.Module, settings: TrainSettings, runtime: Runtime) -> nn.Module:
    """``net`` as the training step calls it: laid out, compiled and distributed as asked for."""
    if settings.channels_last:
        net.to(memory_format=torch.channels_last)
    if settings.compile and can_compile(runtime.device):
        mode = settings.compile if isinstance(settings.compile, str) else None
        net.compile(mode=mode)
    if runtime.world_size == 1:
        return net
    return DistributedDataParallel(
        net,
        device_ids=[runtime.device] if runtime.device.type == "cuda" else None,
        find_unused_parameters=settings.find_unused_parameters,
    )


def freeze_norm(net: nn.Module) -> None:
    """Let BatchNorm use and keep its running statistics; gains and offsets still train."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def meta_of(opt: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its network, for those who load it without the option file."""
    section = thaw(opt["network_g"])
    cls = ARCH_REGISTRY.get(section.pop("type"))
    module = cls.__module__.split(".")
    train_set = (opt.get("datasets") or {}).get("train") or {}
    return {
        "network": {"type": cls.__name__, **_plain(defaults(cls)), **section},
        "color": train_set.get("color", "rgb"),
        "scale": opt.get("scale", 1),
        "system": module[2] if module[:2] == ["smoothkit", "systems"] else None,
        "options": thaw(opt),
    }


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that a checkpoint can hold: BasicSR's networks have classes among theirs."""
    kinds = (bool, int, float, str, list, tuple, dict, type(None))
    return {key: value for key, value in options.items() if isinstance(value, kinds)}


def can_compile(device: torch.device) -> bool:
    """Whether ``torch.compile`` has the compilers it needs; without them only a call would tell."""
    if device.type == "cuda":
        # Triton starts its kernels through C code that it compiles here.
        chosen = os.environ.get("CC", "").split()
        has_compiler = find_spec("triton") is not None and _has_one(chosen[:1] or ["gcc", "clang"])
        needed = "Triton and a C compiler"
    else:
        has_compiler, needed = _has_one(["c++", "g++", "clang++", "cl"]), "a C++ compiler"
    if not has_compiler:
        log.warning("train.compile: needs %s, which is not here; not compiling.", needed)
    return has_compiler


def _has_one(programs: Sequence[str]) -> bool:
    return any(shutil.which(name) for name in programs)


def _described(network: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key} {value}" for key, value in network.items() if key != "type")
    return f"{network['type']} with {options}"
