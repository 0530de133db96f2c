"""Option files as runs resolve them, beside what was written down of them by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from smoothkit.core.basicsr_compat import basicsr_scheduler
from smoothkit.core.options import OptionFile, thaw
from smoothkit.core.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    Registry,
)
from smoothkit.core.settings import (
    DistSettings,
    LoaderSettings,
    LoggerSettings,
    PathSettings,
    RunSettings,
    TrainSettings,
    ValSettings,
)
from smoothkit.core.signature import defaults, takes_single_opt
from smoothkit.data.texture_draws import TextureRanges
from smoothkit.models.step import loss_sections
from smoothkit.ops.augment import Ranges
from smoothkit.ops.degradation import Blur, Stage
from smoothkit.systems.lsa.refine import Refinement

Pins = dict[str, Any]


def read_pins(path: Path) -> dict[str, Pins]:
    """Of each option file, the values of dotted paths: of its parts, the last that gives one."""
    content = yaml.safe_load(path.read_text())
    parts = content["parts"]
    return {
        file: {
            key: value
            for part in chosen
            for key, value in flat(parts[part] if isinstance(part, str) else part).items()
        }
        for file, chosen in content["files"].items()
    }


def flat(section: Mapping[str, Any], prefix: str = "") -> Pins:
    """A nested section by dotted paths; lists of sections by number, others as they are."""
    found: Pins = {}
    for key, value in section.items():
        path = f"{prefix}{key}"
        if isinstance(value, Sequence) and value and all(isinstance(v, Mapping) for v in value):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            found |= flat(value, f"{path}.")
        else:
            found[path] = list(value) if isinstance(value, tuple) else value
    return found


def nested(pins: Pins) -> dict[str, Any]:
    """The reverse of ``flat`` for sections without lists of sections."""
    options: dict[str, Any] = {}
    for path, value in pins.items():
        *sections, key = path.split(".")
        inner = options
        for name in sections:
            inner = inner.setdefault(name, {})
        inner[key] = value
    return options


def differences(file: OptionFile, pins: Pins) -> list[str]:
    """Where a file, with the defaults of all that it names, is not what was pinned.

    A key that the file gives and nobody pinned is a difference, too. Names and folders of data may
    be anything where they are not pinned.
    """
    found, given = flat(resolved(file)), flat(thaw(file.data))
    wrong = [
        f"{path}: pinned {value!r}, got {found.get(path)!r}"
        for path, value in pins.items()
        if not _same(value, found.get(path))
    ]
    free = ("name", "dataroot")
    unpinned = [
        path
        for path in given
        # 'augment: true' is pinned by what it stands for.
        if not any(pin == path or pin.startswith(f"{path}.") for pin in pins)
        and not path.rpartition(".")[2].startswith(free)
    ]
    return wrong + [f"{path}: not pinned, got {given[path]!r}" for path in unpinned]


def resolved(file: OptionFile) -> dict[str, Any]:
    """A file in our own form with the value of every option that it leaves out."""
    options = {**defaults(RunSettings), **thaw(file.data)}
    model = MODEL_REGISTRY.get(options["model_type"])
    for name, part in model.parts.items():
        # Without its section nothing is degraded.
        if name != "degradation" or name in options:
            options[name] = _filled(part, options.get(name))
    if "refine" in options.get("predictor", {}):
        options["predictor"]["refine"] = _optional(Refinement, options["predictor"]["refine"])
    if "degradation" in options:
        options["degradation"]["stages"] = [_stage(s) for s in options["degradation"]["stages"]]
    for key in [key for key in options if key.startswith("network_")]:
        options[key] = _named(ARCH_REGISTRY, options[key])
    options["datasets"] = {k: _dataset(section) for k, section in options["datasets"].items()}
    if options.get("train") is not None:
        options["train"] = _train(options["train"])
    options["val"] = _filled(ValSettings, options["val"])
    options["val"]["metrics"] = {
        name: _named(METRIC_REGISTRY, section)
        for name, section in (options["val"]["metrics"] or {}).items()
    }
    sections = {"path": PathSettings, "logger": LoggerSettings, "dist_params": DistSettings}
    return options | {key: _filled(cls, options[key]) for key, cls in sections.items()}


def _train(section: dict[str, Any]) -> dict[str, Any]:
    train = _filled(TrainSettings, section)
    train["amp"] = train["amp"] or "off"  # YAML's bare 'off' is false
    for name in loss_sections(section):
        loss = _named(LOSS_REGISTRY, train[f"{name}_opt"])
        if isinstance(loss.get("network"), Mapping):
            loss["network"] = _named(ARCH_REGISTRY, loss["network"])
        train[f"{name}_opt"] = loss
    for key in [key for key in train if key.startswith("optim_")]:
        train[key] = _filled(getattr(torch.optim, train[key]["type"]), train[key])
    if train["scheduler"] is not None:
        kind = train["scheduler"]["type"]
        own = getattr(torch.optim.lr_scheduler, kind, None) or basicsr_scheduler(kind)
        train["scheduler"] = {"unit": "iter", **_filled(own, train["scheduler"])}
    return train


def _dataset(section: dict[str, Any]) -> dict[str, Any]:
    section = {**defaults(LoaderSettings), **_named(DATASET_REGISTRY, section)}
    if section.get("augment"):
        own = {} if section["augment"] is True else section["augment"]
        section["augment"] = _filled(Ranges, own)
    if section.get("texture"):
        section["texture"] = _filled(TextureRanges, section["texture"])
    return section


def _stage(section: Mapping[str, Any]) -> dict[str, Any]:
    return {**_filled(Stage, section), "blur": _filled(Blur, section.get("blur"))}


def _named(registry: Registry, section: Mapping[str, Any]) -> dict[str, Any]:
    cls = registry.get(section["type"])
    return dict(section) if takes_single_opt(cls) else _filled(cls, section)


def _optional(target: Callable[..., Any], section: Any) -> Any:
    return None if section is None else _filled(target, section)


def _filled(target: Callable[..., Any], section: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**defaults(target), **(section or {})}


def _same(pinned: Any, found: Any) -> bool:
    """Equal, where true is not 1."""
    if isinstance(pinned, list) and isinstance(found, list):
        return len(pinned) == len(found) and all(map(_same, pinned, found))
    return bool(pinned == found) and isinstance(pinned, bool) == isinstance(found, bool)


def shipped(root: Path) -> Iterator[str]:
    """Paths of all option files below ``root``."""
    return (path.relative_to(root).as_posix() for path in sorted(root.rglob("*.yml")))
