"""Every registered network gives on the accelerator what it gives on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.models.predictor import named_outputs
from support.gpu import skipped_without_basicsr
from support.networks import BASICSR, input_of, small

pytestmark = pytest.mark.gpu

JUDGES = {"UNetDiscriminatorSN": {"num_in_ch": 3, "num_feat": 4}}
THEIRS = {**BASICSR, **JUDGES}
# The CPU's float32 is off from float64 by some roundings. Another device adds in other orders and
# convolves by other algorithms, of which Winograd's are known to be ten times less exact; on the
# CPU alone, algorithms and layouts differ by up to four times. TF32 would be off by hundreds.
TIMES_LESS_EXACT = 30
SMALLEST_SHARE = 3e-6
# A ReLU whose input is 0 but for rounding passes a gradient on one device and none on another.
GRADIENT_SHARE = 0.01


def built(name: str) -> nn.Module:
    """The network with weights from a seed and without what it draws at random."""
    torch.manual_seed(0)
    with skipped_without_basicsr(name):
        net = build_network({"type": name, **THEIRS[name]}) if name in THEIRS else small(name)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
        elif hasattr(layer, "drop_prob"):  # SwinIR leaves out whole paths
            layer.drop_prob = 0.0
    return net


def outputs(net: nn.Module, x: Tensor) -> Mapping[str, Tensor]:
    """All that a network gives, on the CPU in float64."""
    with torch.no_grad():
        found = named_outputs(net, net(x))
    return {name: value.cpu().double() for name, value in found.items()}


def distance(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).abs().max())


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", [*ARCH_REGISTRY.keys(), *THEIRS])
def test_a_network_gives_what_it_gives_on_the_cpu(
    name: str, mode: str, device: torch.device
) -> None:
    net = built(name).train(mode == "train")
    x = input_of(net)
    exact = outputs(copy.deepcopy(net).double(), x.double())
    own = outputs(copy.deepcopy(net), x)
    found = outputs(copy.deepcopy(net).to(device), x.to(device))
    for key, value in exact.items():
        scale = float(value.abs().max())
        allowed = TIMES_LESS_EXACT * distance(own[key], value) + SMALLEST_SHARE * scale
        assert distance(found[key], value) <= allowed, key


def gradient(net: nn.Module, x: Tensor) -> Tensor:
    """Of the mean square of the result, by all weights; one vector on the CPU."""
    named_outputs(net, net(x))["pred"].square().mean().backward()
    grads = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
    return torch.cat(grads).cpu().double()


@pytest.mark.parametrize("name", [*ARCH_REGISTRY.keys(), *THEIRS])
def test_a_network_learns_as_on_the_cpu(name: str, device: torch.device) -> None:
    net = built(name).train()
    x = input_of(net)
    exact = gradient(copy.deepcopy(net).double(), x.double())
    own = gradient(copy.deepcopy(net), x)
    found = gradient(copy.deepcopy(net).to(device), x.to(device))
    allowed = TIMES_LESS_EXACT * (own - exact).norm() + GRADIENT_SHARE * exact.norm()
    assert (found - exact).norm() <= allowed
