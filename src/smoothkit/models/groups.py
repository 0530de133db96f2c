"""Parameters in groups, each with options of the optimiser of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn import Parameter

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.core.signature import signature_faults

KEY = "groups"
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_OWN = ("names", "norms")


def group_faults(groups: Any, optimizer: type, where: str) -> list[Fault]:
    """What keeps a list of groups from being used.

    Args:
        groups: of an option file; None where it has none.
        optimizer: class whose options the groups may give.
        where: dotted path of the list.
    """
    if groups is None:
        return []
    if not isinstance(groups, Sequence) or isinstance(groups, str):
        return [Fault(where, f"must be a list of sections, got {groups!r}.")]
    faults = []
    for index, group in enumerate(groups):
        here = f"{where}[{index}]"
        if not isinstance(group, Mapping) or not _are_texts(group.get("names", [])):
            message = f"must be a section whose 'names' is a list of texts, got {group!r}."
            faults.append(Fault(here, message))
        elif bool(group.get("names")) == bool(group.get("norms")):
            message = "needs either 'names', parts of parameters' names, or 'norms: true'."
            faults.append(Fault(here, message))
        else:
            options = {key: value for key, value in group.items() if key not in _OWN}
            faults += signature_faults(optimizer, options, here, given=("params",))
    return faults


def in_groups(
    net: nn.Module, groups: Sequence[Mapping[str, Any]], where: str
) -> list[dict[str, Any]]:
    """The trained parameters of ``net`` as torch's optimisers take them, in groups.

    Args:
        net: the network.
        groups: sections with ``names`` (a parameter belongs to the first group of which its name
            has a part) or ``norms: true`` (it belongs to a normalising layer), and options. Those
            that belong to none come first, under the options of the optimiser's own section.
        where: dotted path of the list, for messages.

    Raises:
        OptionError: a group to which nothing belongs.
    """
    norms = set(_norm_parameters(net))
    members: list[list[Parameter]] = [[] for _ in range(len(groups) + 1)]
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            is_norm = parameter in norms
            members[_number(name, is_norm, groups)].append(parameter)
    for index, own in enumerate(members[1:]):
        if not own:
            message = "no parameter of the network belongs to this group. Remove it."
            raise OptionError([Fault(f"{where}[{index}]", message)])
    options = [{}, *({k: thaw(v) for k, v in group.items() if k not in _OWN} for group in groups)]
    return [{"params": own, **chosen} for own, chosen in zip(members, options, strict=True) if own]


def _are_texts(names: Any) -> bool:
    is_list = isinstance(names, Sequence) and not isinstance(names, str)
    return is_list and all(isinstance(name, str) for name in names)


def _norm_parameters(net: nn.Module) -> Iterator[Parameter]:
    for module in net.modules():
        if isinstance(module, _NORMS):
            yield from module.parameters(recurse=False)


def _number(name: str, is_norm: bool, groups: Sequence[Mapping[str, Any]]) -> int:
    """Of the group that a parameter belongs to, from 1; 0 for none."""
    for number, group in enumerate(groups, 1):
        if any(part in name for part in group.get("names", ())) or (group.get("norms") and is_norm):
            return number
    return 0
