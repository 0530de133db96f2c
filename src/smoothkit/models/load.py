"""``load_model``: from a file of weights to something that takes images."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from smoothkit.archs import build_network
from smoothkit.core.devices import choose_device, choose_precision
from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.registry import ARCH_REGISTRY, system_modules
from smoothkit.core.weights import (
    find_checkpoint,
    load_file,
    load_into,
    network_meta,
    network_state,
)
from smoothkit.models.infer import infer_network
from smoothkit.models.restorer import Grey, Restorer, RestorerSettings
from smoothkit.ops.io import Rounding
from smoothkit.ops.tensor import Color


def load_model(
    path: str | Path,
    *,
    network: Mapping[str, Any] | str | None = None,
    device: str = "auto",
    amp: Literal["off", "auto", "bf16", "fp16"] = "off",
    color: Color | None = None,
    rounding: Rounding | None = None,
    grey: Grey | None = None,
    tile_size: int | Literal["auto"] = "auto",
    tile_pad: int | None = None,
) -> Restorer:
    """The network in a file of weights, as a function of images.

    Args:
        path: weights in any of the known layouts.
        network: its name, or its ``network_g`` section; what is left out comes from the file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        amp: precision of the arithmetic; ``auto`` takes bf16 where the hardware has it.
        color: channel order that the network was trained with; by default what the file says, else
            that of its system.
        rounding: to 8 bits; by default that of its system.
        grey: what becomes of grey images, see ``RestorerSettings``; by default as in its system.
        tile_size, tile_pad: see ``RestorerSettings``.

    Raises:
        DataError: the file cannot be used, holds other weights, or does not tell its network.
        OptionError: unknown network, option or device.
    """
    net, meta = load_network(path, network)
    section = meta["network"]
    if hasattr(net, "inputs"):
        raise DataError(
            f"{path}: holds {type(net).__name__}, which takes a trimap with each image. Use "
            "'python -m smoothkit matte'."
        )
    if getattr(net, "io", True) is None:
        raise DataError(f"{path}: holds {type(net).__name__}, which makes no images of images.")
    habits = system_habits(type(net))
    chosen = device_called(device)
    settings = RestorerSettings(
        color=color or meta.get("color") or habits.get("color", "rgb"),
        rounding=rounding or habits.get("rounding", "round"),
        grey=grey or habits.get("grey", "keep"),
        tile_size=tile_size,
        tile_pad=tile_pad,
        dtype=choose_precision(amp, chosen),
    )
    return Restorer(net, chosen, settings, section)


def load_network(
    path: str | Path, network: Mapping[str, Any] | str | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """The network in a file of weights, on the CPU, and what the file says of it.

    Its ``network`` is the section that the network was built from, with every option. Arguments
    and errors as for ``load_model``.
    """
    path = find_checkpoint(path)
    content = load_file(path)
    meta = network_meta(content)
    state = network_state(content, path)
    section = _section(network, meta.get("network") or infer_network(state), path)
    net = _built(section, network)
    load_into(net, state, path)
    return net, {**meta, "network": ARCH_REGISTRY.resolved(section)}


def system_habits(cls: type) -> dict[str, Any]:
    """How the system of a class runs its networks: ``HABITS`` of its ``reference.py``."""
    package, _, _ = cls.__module__.rpartition(".")
    module = f"{package}.reference"
    if module not in system_modules("reference"):
        return {}
    try:
        return dict(vars(importlib.import_module(module)).get("HABITS", {}))
    except Exception as error:
        # Without its habits results would have wrong colours, and nothing would say so.
        raise DataError(f"{module}: fails: {error!r}. Repair it.") from error


def _built(section: Mapping[str, Any], asked: Mapping[str, Any] | str | None) -> nn.Module:
    """The network; a name by itself may be too little to build it from."""
    try:
        net: nn.Module = build_network(section, where="network_g")
    except OptionError as error:
        known = asked in ARCH_REGISTRY if isinstance(asked, str) else False
        if not known:
            raise
        reasons = " ".join(fault.message.partition(" Add ")[0] for fault in error.faults)
        raise DataError(
            f"{asked}: its name alone does not say how to build it. {reasons} Give an option file "
            f"(-opt) with a section 'network_g: {{type: {asked}, ...}}'."
        ) from error
    return net


def _section(
    network: Mapping[str, Any] | str | None, held: Mapping[str, Any] | None, path: Path
) -> dict[str, Any]:
    """The network's section: what was asked for, completed by what the file tells."""
    asked = {"type": network} if isinstance(network, str) else dict(network or {})
    held = dict(held or {})
    if not asked and not held:
        known = ", ".join(ARCH_REGISTRY.keys())
        raise DataError(
            f"{path}: does not tell which network it holds. Give its name (--arch) or an option "
            f"file (-opt). Ours: {known}."
        )
    if asked and held and not _is_same_type(asked, held):
        held = {}
    return {**held, **asked}


def _is_same_type(asked: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    if "type" not in asked:
        return True
    try:
        return ARCH_REGISTRY.get(asked["type"]) is ARCH_REGISTRY.get(held["type"])
    except KeyError:
        return False


def device_called(name: str) -> torch.device:
    if name == "auto":
        return choose_device("auto", hint="--device cuda:N (device='cuda:N') takes another.")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise OptionError([Fault("device", f"'{name}' cannot be used: {reason}")]) from error
    return device
