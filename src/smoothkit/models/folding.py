"""BatchNorm folded into the convolutions before it, for networks that only run forward."""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import nn
from torch.fx import Graph, Node, Tracer
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norm(net: nn.Module) -> nn.Module:
    """A copy of ``net`` in evaluation mode that gives the same, but for the order of roundings.

    A network whose ``forward`` cannot be traced comes back as it is.
    """
    folded = copy.deepcopy(net).eval()
    try:
        # On a copy of its own: networks that keep what they compute would keep the tracer's.
        graph = Tracer().trace(copy.deepcopy(folded))
    except Exception:  # whatever a foreign forward does when traced; it works unfolded
        return folded
    for conv_name, norm_name in _pairs(folded, graph):
        conv, norm = folded.get_submodule(conv_name), folded.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps,
                norm.weight, norm.bias,
            )  # fmt: skip
        folded.set_submodule(norm_name, nn.Identity())
    return folded


def _pairs(net: nn.Module, graph: Graph) -> list[tuple[str, str]]:
    """Names of convolutions with the BatchNorm that alone reads them; both called once."""
    modules = dict(net.named_modules())
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    pairs = []
    for node in graph.nodes:
        if not _is_call(node, modules, nn.BatchNorm2d):
            continue
        before = node.args[0]
        is_pair = (
            isinstance(before, Node)
            and _is_call(before, modules, nn.Conv2d)
            and len(before.users) == 1
            and calls[node.target] == calls[before.target] == 1
            and modules[node.target].running_mean is not None
        )
        if is_pair:
            pairs.append((str(before.target), str(node.target)))
    return pairs


def _is_call(node: Node, modules: dict[str, nn.Module], kind: type[nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(modules.get(str(node.target)), kind)
