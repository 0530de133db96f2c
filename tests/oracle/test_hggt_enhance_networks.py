"""The networks of enhancement against recorded outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from smoothkit.archs import build_network
from smoothkit.models.predictor import Predictor
from support.fill import fill
from support.oracle import Case, key_list
from support.rounding import SIGMAS, float32_noise

GROUP = "hggt_enhance"
NETWORKS = [
    "rcannoup_small",
    "rcannoup_resscale",
    "elan_small",
    "elan_masks",
    "elan_range255",
    "elan_shared",
    "elan_oddwindow_x2",
]
# By the names of the recorded arrays, where they are not those of the parts.
PARTS = {
    "feat_first": "conv_first",
    "feat_block00": "body.0.residual_group.0",
    "feat_group0": "body.0",
    "feat_after_body": "conv_after_body",
    "head": "head",
    "lfe_0": "body.0.modules_lfe.lfe_0",
    "gmsa_0": "body.0.modules_gmsa.gmsa_0",
    "gmsa_1": "body.0.modules_gmsa.gmsa_1",
    "body_0": "body.0",
    "body_1": "body.1",
}


def filled(case: Case) -> nn.Module:
    """The recorded network with its weights."""
    net = build_network({"type": case.meta["class"], **case.meta["args"]}).eval()
    state = net.state_dict()
    kept = "shift_conv.weight" in case.meta["weights"]
    shifts = {k: v for k, v in state.items() if kept and k.endswith("shift_conv.weight")}
    net.load_state_dict({**fill(state), **shifts})
    return net


def inside(net: nn.Module, x: Tensor, keys: list[str]) -> dict[str, Tensor]:
    """The first three channels of what the parts of the recorded names give."""
    found: dict[str, Tensor] = {}

    def watch(key: str) -> RemovableHandle:
        def note(part: nn.Module, inputs: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            found[key] = output[:, :3].clone()  # what follows may add to it in place

        return net.get_submodule(PARTS[key]).register_forward_hook(note)

    hooks = [watch(key) for key in keys]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@torch.no_grad()
def test_a_network_gives_what_the_published_one_gives(
    name: str, layout: torch.memory_format
) -> None:
    case = Case(GROUP, name)
    case.close(filled(case)(case.tensor("x").contiguous(memory_format=layout)), "y")


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_parts_of_a_network_give_what_the_published_ones_give(name: str) -> None:
    case = Case(GROUP, name)
    net, x = filled(case).double(), case.tensor("x").double()
    keys = [key for key in case.arrays if key not in ("x", "y")]
    exact, noise = float32_noise(net, lambda: inside(net, x, keys))
    assert list(exact) == keys
    for key in keys:
        case.close(exact[key], key, SIGMAS * noise[key])


@torch.no_grad()
def test_the_discriminator_gives_the_recorded_logits() -> None:
    case = Case(GROUP, "disc_eval")
    case.close(filled(case)(case.tensor("x")), "y")


@torch.no_grad()
def test_the_discriminator_renews_its_norms_in_training_as_recorded() -> None:
    case = Case(GROUP, "disc_train")
    net = filled(case).train()
    case.close(net(case.tensor("x")), "y")
    state = net.state_dict()
    vectors = [key for key in case.arrays if key not in ("x", "y")]
    assert vectors
    for key in vectors:
        case.close(state[key.replace("__", ".")], key)


@pytest.mark.parametrize("name", ["rcannoup_full", "elan_full", "disc_full"])
def test_weights_have_the_published_names_and_shapes(name: str) -> None:
    meta = Case(GROUP, name).meta
    net = build_network({"type": meta["class"], **meta["args"]})
    shapes = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert shapes == key_list(GROUP, name)
    sizes = [(p.numel(), p.requires_grad) for p in net.parameters()]
    assert sum(size for size, _ in sizes) == meta["parameters_total"]
    assert sum(size for size, trains in sizes if trains) == meta["parameters_trainable"]
    assert sum(not trains for _, trains in sizes) == meta["frozen_parameter_entries"]


@pytest.mark.parametrize("name", ["tile_rcannoup", "tile_elan"])
@torch.no_grad()
def test_tiles_are_those_of_the_published_test(name: str) -> None:
    case = Case(GROUP, name)
    net = filled(case)
    sizes: list[list[int]] = []
    net.register_forward_pre_hook(lambda _, inputs: sizes.append(list(inputs[0].shape[-2:])))
    case.close(Predictor("none")(net, case.tensor("x")), "whole")
    for tiled in case.meta["cases"]:
        sizes.clear()
        predictor = Predictor("none", tiled["tile_size"], tiled["tile_pad"])
        result = predictor(net, case.tensor("x"))
        case.close(result, tiled["array"])
        assert sizes == tiled["tile_inputs_hw_in_order"]
        difference = (result - case.tensor("whole")).abs().max().item()
        assert difference == pytest.approx(tiled["max_abs_to_whole"], abs=1e-4)
