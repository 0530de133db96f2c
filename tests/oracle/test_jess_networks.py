"""The networks of Easy2Hard against recorded outputs of the published code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothkit.core.registry import ARCH_REGISTRY
from support.fill import fill
from support.oracle import Case, key_list

OUTPUTS = {
    "Baseline": ["out"],
    "HDC": ["out"],
    "HDC_edge": ["edge", "out"],
    "HDC_edge_refine": ["edge", "out1", "out2"],
}
CASES = [
    "e2h_baseline_d16_b2",
    "e2h_hdc_d16_b3",
    "e2h_hdc_edge_d16_b3",
    "e2h_hdc_edge_refine_d16_b3",
    "e2h_hdc_edge_refine_d64_b20",
]


def filled_network(name: str, **kwargs: int) -> torch.nn.Module:
    net = ARCH_REGISTRY.build({"type": name, **kwargs}, where="test").eval()
    net.load_state_dict(fill(net.state_dict()))
    return net


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_forward_returns_what_the_published_network_returns(name: str) -> None:
    case = Case("smoothing", name)
    net = filled_network(case.meta["class"], **case.meta["kwargs"])
    raw = net(case.tensor("x"))
    keys = OUTPUTS[case.meta["class"]]
    for key, output in zip(keys, [raw] if isinstance(raw, torch.Tensor) else raw, strict=True):
        case.close(output, key)
    case.close(net.named(raw)["pred"], "result" if "result" in case.arrays else "out")


@pytest.mark.parametrize(
    ("fixture", "name", "num_block"),
    [
        ("e2h_baseline", "Baseline", 12),
        ("e2h_hdc", "HDC", 20),
        ("e2h_hdc_edge", "HDC_edge", 20),
        ("hdc_edge_refine_b20", "HDC_edge_refine", 20),
        ("hdc_edge_refine_b12", "HDC_edge_refine", 12),
    ],
)
def test_parameters_have_the_published_names_order_and_shapes(
    fixture: str, name: str, num_block: int
) -> None:
    spec = {"type": name, "num_block": num_block}
    state = ARCH_REGISTRY.build(spec, where="test").state_dict()
    shapes = [(key, list(value.shape)) for key, value in state.items()]
    assert shapes == list(key_list("smoothing", fixture).items())


@pytest.mark.parametrize("number", [0, 1])
@torch.no_grad()
def test_a_file_is_smoothed_to_the_published_bytes(number: int) -> None:
    case = Case("smoothing", "show_e2h")
    net = filled_network("HDC_edge_refine", in_c=3, out_c=3, dim=64, num_block=20)
    for layer in (net.interpreter2[9], net.refine[9]):  # brings the result into [0, 1]
        layer.weight.mul_(0.015)
        layer.bias.fill_(0.25)

    planes = (case[f"in{number}"] / 255).astype(np.float32).transpose(2, 0, 1)
    result = net.named(net(torch.from_numpy(planes)[None]))["pred"]
    levels = result[0].numpy().astype(np.float64).transpose(1, 2, 0) * 255
    image = levels.clip(0, 255).astype(np.uint8)  # truncates, as the published program does

    np.testing.assert_allclose(image.astype(int), case[f"out{number}"].astype(int), atol=1, rtol=0)
