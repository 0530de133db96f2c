"""``smoothkit check``: what training or testing would refuse, found without either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from smoothkit.archs import build_network
from smoothkit.core.devices import choose_device
from smoothkit.core.errors import DataError, Fault, OptionError, SmoothkitError
from smoothkit.core.options import OptionFile, read_options
from smoothkit.core.registry import MODEL_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import RunSettings
from smoothkit.engine.check import check
from smoothkit.engine.datasets import OpenSet, open_set, refuse_small_images
from smoothkit.engine.published import in_our_form
from smoothkit.engine.setup import Run, complete_networks
from smoothkit.engine.trial import try_item, try_step
from smoothkit.models.step import build_terms, hint_for, loss_sections, models_giving, readers

# How constructors, BasicSR's among them, refuse their arguments.
_REFUSALS = (ValueError, TypeError, AssertionError, NotImplementedError)


def check_file(
    path: str | Path, *, overrides: Sequence[str] = (), with_data: bool = True
) -> Iterator[str]:
    """What was found right, line by line.

    Args:
        path: the option file.
        overrides: ``key:sub=value`` in place of what the file says.
        with_data: also open the data sets and look at every file's header.

    Raises:
        OptionError: all faults of the file, its networks and its data sets at once.
    """
    read, unread = in_our_form(read_options(path, overrides))
    file, network_faults = complete_networks(read)
    report = check(file, known=network_faults)
    report.unread += unread
    needed = [] if with_data else _take_missing_files(report.faults)
    if report.faults:
        raise file.error(report.faults)
    if report.unread:
        yield f"read by nothing: {', '.join(report.unread)}"
    faults: list[Fault] = []
    networks: dict[str, torch.nn.Module] = {}
    yield from _check_networks(file, networks, faults)
    yield from _check_losses(file, faults)
    if with_data:
        yield from _check_data(file, networks, faults)
    if not with_data:
        needed += _take_missing_files(faults)
    if faults:
        raise file.error(faults)
    yield from (f"needed: {fault.where}: {fault.message}" for fault in needed)
    yield f"{path}: no faults."


def _take_missing_files(faults: list[Fault]) -> list[Fault]:
    """Those of the faults that another machine does not have: weights are files like data."""
    missing = [fault for fault in faults if fault.is_missing_file]
    faults[:] = [fault for fault in faults if not fault.is_missing_file]
    return missing


def _check_networks(
    file: OptionFile, networks: dict[str, torch.nn.Module], faults: list[Fault]
) -> Iterator[str]:
    """Each network is built, and kept in ``networks``."""
    for key, section in file.data.items():
        if not key.startswith("network_"):
            continue
        try:
            net = _build_without_memory(section, key)
        except (OptionError, *_REFUSALS) as error:
            faults += _faults_of(error, key, "network")
            continue
        networks[key] = net
        count = sum(p.numel() for p in net.parameters())
        yield f"{key}: {type(net).__name__}, {count:,} parameters"


def _build_without_memory(section: Any, where: str) -> torch.nn.Module:
    """The network on the meta device; networks that compute with values there go on the CPU."""
    try:
        with torch.device("meta"):
            net: torch.nn.Module = build_network(section, where=where)
            return net
    except (NotImplementedError, RuntimeError, OptionError):  # the last: ECBSR of BasicSR
        net = build_network(section, where=where)
        return net


def _check_losses(file: OptionFile, faults: list[Fault]) -> Iterator[str]:
    """Each loss is built as in training, with the weights that it reads."""
    for name, section in loss_sections(file.data.get("train") or {}).items():
        key = f"{name}_opt"
        try:
            loss = build_terms({key: section})[name].loss
        except (OptionError, *_REFUSALS) as error:
            faults += _faults_of(error, f"train.{key}", "loss")
        else:
            yield f"train.{key}: {type(loss).__name__}"


def _check_data(
    file: OptionFile, networks: Mapping[str, torch.nn.Module], faults: list[Fault]
) -> Iterator[str]:
    """The data sets, and where nothing else is wrong what they are used for."""
    settings = RunSettings.read(file.data)
    run = Run(file, settings, Runtime(device=choose_device(settings.num_gpu)), seed=0)
    opened: dict[str, OpenSet] = {}
    for key in file.data.get("datasets") or {}:
        where = f"datasets.{key}"
        try:
            opened[key] = open_set(run, key)
            if key == "train":
                faults += _missing_inputs(file.data, opened[key])
        except DataError as error:
            faults.append(Fault.of(where, error))
        except OptionError as error:
            faults += error.faults
        else:
            found = opened[key]
            skipped = f", {len(found.bad)} of them skipped" if found.bad else ""
            yield f"{where}: {type(found.dataset).__name__}, {len(found.dataset)} items{skipped}"
    try:
        refuse_small_images(
            networks.get("network_g"), [v for k, v in opened.items() if k != "train"]
        )
    except DataError as error:
        faults.append(Fault.of("datasets", error))
    if faults:
        return
    usable = {
        key: found
        for key, found in opened.items()
        if key == "train" or try_item(run, key, found, faults)
    }
    if "train" in file.data:
        yield from try_step(run, usable, faults)


def _missing_inputs(options: Mapping[str, Any], opened: OpenSet) -> list[Fault]:
    """Values that losses read and other models make, where the training set does not have them."""
    model = MODEL_REGISTRY.get(options.get("model_type", RunSettings.model_type))
    given = getattr(model, "gives", None)
    if given is None or "train" not in options:
        return []
    read = {
        name: sections
        for name, sections in readers(options["train"]).items()
        if models_giving(name) and name not in given
    }
    usable = (index for index in range(len(opened.dataset)) if index not in opened.bad)
    item = opened.dataset[next(usable)] if read else {}
    return [
        Fault(section, f"reads '{name}', which the training set does not have. {hint_for(name)}")
        for name, sections in read.items()
        for section in sections
        if name not in item
    ]


def _faults_of(error: Exception, where: str, what: str) -> list[Fault]:
    if isinstance(error, OptionError):
        return error.faults
    if isinstance(error, SmoothkitError):
        return [Fault.of(where, error)]
    return [Fault(where, f"the {what} cannot be built: {error}")]
