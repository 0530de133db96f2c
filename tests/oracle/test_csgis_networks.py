"""The networks of CSGIS-Net against recorded outputs of the published code."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from smoothkit.archs import build_network
from support.fill import fill
from support.oracle import Case, key_list

CASES = [
    "cs_hdc_edge_refine_d16_b12",
    "cs_hdc_cbam_d32_b2",
    "cs_pdp_d16_b1",
    "cs_rdb_d16_b2",
    "cs_edge_guided_d16_b2",
    "cs_edge_guided_d16_b1_odd",
]


def filled_network(name: str, **kwargs: int) -> nn.Module:
    net: nn.Module = build_network({"type": name, **kwargs}).eval()
    net.load_state_dict(fill(net.state_dict()))
    return net


@torch.no_grad()
def agrees(net: nn.Module, case: Case) -> None:
    """Fail unless the network returns what is recorded."""
    raw = net(case.tensor("x"))
    for key, output in zip(("edge", "out1", "out2"), raw, strict=True):
        case.close(output, key)
    case.close(net.named(raw)["pred"], "result")


@pytest.mark.parametrize("name", CASES)
def test_forward_returns_what_the_published_network_returns(name: str) -> None:
    case = Case("smoothing", name)
    agrees(filled_network(case.meta["class"], **case.meta["kwargs"]), case)


def test_channel_attention_computes_what_the_published_draft_would_with_fixed_kernels() -> None:
    case = Case("smoothing", "cs_hdc_att_d16_b2")
    net = filled_network("ECASmoothingNet", **case.meta["kwargs"])
    net.eca1.conv.weight.data.copy_(case.tensor("eca1_weight"))
    net.eca2.conv.weight.data.copy_(case.tensor("eca2_weight"))
    agrees(net, case)


@pytest.mark.parametrize(
    ("fixture", "name", "num_block"),
    [
        ("hdc_edge_refine_b12", "HDC_edge_refine", 12),
        ("cs_hdc_cbam", "HDC_cbam", 12),
        ("cs_pdp_edge_refine", "PDP_edge_refine", 20),
        ("cs_rdb_edge_refine", "RDB_edge_refine", 12),
        ("cs_edge_guided", "Edge_guided", 12),
    ],
)
def test_parameters_have_the_published_names_order_and_shapes(
    fixture: str, name: str, num_block: int
) -> None:
    # The order matters too: optimiser states in checkpoints go by it.
    with torch.device("meta"):
        state = build_network({"type": name, "num_block": num_block}).state_dict()
    shapes = [(key, list(value.shape)) for key, value in state.items()]
    assert shapes == list(key_list("smoothing", fixture).items())
