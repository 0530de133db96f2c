"""What the parts of a training step need of each other, found before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.registry import ARCH_REGISTRY, LOSS_REGISTRY
from smoothkit.core.signature import parameters
from smoothkit.models.step import loss_sections, readers, unset_option


def companion_faults(train: Mapping[str, Any]) -> list[Fault]:
    """Of the networks that losses bring along; one that trains comes with an optimiser."""
    faults = []
    for name, loss, section in _losses(train):
        for key in getattr(loss, "companions", {}).values():
            if isinstance(section.get(key), Mapping):
                faults += ARCH_REGISTRY.faults(section[key], f"train.{name}_opt.{key}")
        for letter, key in _companions(loss, section).items():
            if section.get(key) is not None and f"optim_{letter}" not in train:
                message = f"needs 'optim_{letter}', the optimiser of train.{name}_opt.{key}."
                faults.append(Fault("train", message))
    return faults


def idle_optimizer_faults(train: Mapping[str, Any], optimizers: Sequence[str]) -> list[Fault]:
    """Of optimisers whose network no loss brings, or which is frozen there.

    Args:
        train: the section.
        optimizers: its keys of optimisers.
    """
    brought = {
        f"optim_{letter}"
        for _, loss, section in _losses(train)
        for letter in _companions(loss, section)
    }
    message = "steps no network: no loss brings one of this name that trains. Remove it."
    idle = [key for key in optimizers if key not in {"optim_g", "optim_d", *brought}]
    return [Fault(f"train.{key}", message) for key in idle]


def step_faults(options: Mapping[str, Any], model: Any, known: Sequence[Fault]) -> list[Fault]:
    """Of losses, model and training set together, where each is right by itself.

    Args:
        options: the whole option file.
        model: its class; None if there is no such.
        known: what is wrong with the file so far.
    """
    involved = {"", "train", "datasets", "network_g", *(parameters(model) if model else ())}
    if model is None or any(fault.where.partition(".")[0] in involved for fault in known):
        return []
    try:
        read = readers(options["train"])
    except OptionError as error:
        return list(error.faults)
    faults = []
    for value, sections in read.items():
        if path := unset_option(options, value):
            who = " and ".join(sections)
            message = f"must be set: '{value}' is read by {who}. Set it, or leave that out."
            faults.append(Fault(path, message))
    for name, loss, _ in _losses(options["train"]):
        faults += getattr(loss, "faults_in", _none)(options, f"train.{name}_opt")
    return faults + getattr(model, "faults", _none)(options)


def _losses(train: Mapping[str, Any]) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Name, class and section of each loss that there is."""
    for name, section in loss_sections(train).items():
        try:
            yield name, LOSS_REGISTRY.get(section["type"]), section
        except KeyError:  # told with the section itself
            continue


def _companions(loss: Any, section: Mapping[str, Any]) -> Mapping[str, str]:
    """Letter -> option of the networks that train along with a loss under its options."""
    chosen = getattr(loss, "companions_for", None)
    found: Mapping[str, str] = chosen(section) if chosen else getattr(loss, "companions", {})
    return found


def _none(*_: Any) -> list[Fault]:
    return []
