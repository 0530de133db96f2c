"""What the tests of recordings know of float32 rounding is true of the recorded steps."""

from __future__ import annotations

import pytest
import torch

from smoothkit.archs import build_network
from support.fill import fill
from support.oracle import Case
from support.rounding import SIGMAS, TURNED, float32_noise


@pytest.mark.parametrize("name", TURNED)
def test_only_relus_that_rounding_can_turn_are_turned(name):
    case = Case("smoothing", name)
    net = build_network({"type": case.meta["class"], **case.meta["kwargs"]})
    net.load_state_dict(fill(net.state_dict()))
    net.double().train()
    image = case.tensor("batch_OB").double()
    seen = {}
    for layer in TURNED[name]:
        module = net.get_submodule(layer)
        module.register_forward_hook(lambda _, i, out, layer=layer: seen.update({layer: out}))

    def run():
        net(image)
        return seen.copy()

    with torch.no_grad():
        exact, noise = float32_noise(net, run)
    for layer, element in TURNED[name].items():
        assert abs(exact[layer][element]) < SIGMAS * noise[layer][element]


def test_the_noise_is_that_of_a_float32_pass():
    net = build_network({"type": "JESSNet", "dim": 8, "num_block": 1})
    net.load_state_dict(fill(net.state_dict()))
    image = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        single = net.train().named(net(image))["pred"]
        net.double()
        image = image.double()
        exact, noise = float32_noise(net, lambda: net.named(net(image)))
    error = (single - exact["pred"]) / noise["pred"]
    assert 0.3 < error.square().mean().sqrt() < 3
