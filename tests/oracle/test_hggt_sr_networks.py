"""The networks of the super-resolution experiments against recorded outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from smoothkit.archs import build_network
from smoothkit.models.predictor import Predictor
from support.fill import fill
from support.oracle import Case, key_list

GROUP = "hggt_posneg_sr"
# Entries that constructors compute, which the recorded networks kept.
CONSTRUCTED = ("relative_position_index", "attn_mask")


def filled(name: str, options: dict[str, Any]) -> nn.Module:
    net = build_network({"type": name, **options}).eval()
    state = net.state_dict()
    kept = {key: value for key, value in state.items() if key.endswith(CONSTRUCTED)}
    net.load_state_dict({**fill(state), **kept})
    return net


@pytest.mark.parametrize(
    ("fixture", "options", "x", "y"),
    [
        ("net_rrdbpsnet", "ctor", "x", "y"),
        ("net_rrdbpsnet", "ctor_b", "x_b", "y_b"),
        ("net_rrdbpsnet", "ctor_c", "x_b", "y_c"),
        ("net_rrdbnet", "ctor", "x", "y"),
        ("net_rrdbadanet", "ctor", "x", "y"),
        ("net_bsrganrrdbnet", "ctor", "x", "y"),
        ("net_bsrganrrdbnet", "ctor_sf2", "x", "y_sf2"),
    ],
)
@torch.no_grad()
def test_rrdb_networks_give_what_the_published_ones_give(
    fixture: str, options: str, x: str, y: str
) -> None:
    case = Case(GROUP, fixture)
    net = filled(case.meta["arch"], case.meta[options])
    case.close(net(case.tensor(x)), y)


@torch.no_grad()
def test_the_generator_of_adatarget_takes_and_gives_features() -> None:
    case = Case(GROUP, "net_rrdbadanet")
    net = filled("RRDBAdaNet", case.meta["ctor"])
    case.close(net(case.tensor("x"), out_feat=True), "feat")
    case.close(net(None, x_feat=case.tensor("x_feat")), "y_from_feat")


@torch.no_grad()
def test_swinir_pads_as_the_published_one_does() -> None:
    case = Case(GROUP, "net_swinir")
    net = filled("HggtSwinIR", case.meta["ctor"])
    case.close(net(case.tensor("x0")), "y0")
    case.close(net(case.tensor("x1")), "y1")
    for mode in ("needed", "none"):
        net = filled("HggtSwinIR", {**case.meta["ctor"], "pad_mode": mode})
        case.close(net(case.tensor("x0")), "y0_nopad")


@torch.no_grad()
def test_locnet_tests_and_trains_as_the_published_one() -> None:
    case = Case(GROUP, "net_locnet")
    net = filled("LocNet", {})
    case.close(net(case.tensor("x")), "y_eval")
    case.close(net.train()(case.tensor("x")), "y_train")
    case.close(net.bn1.running_mean, "bn1_running_mean_after")
    case.close(net.bn3.running_var, "bn3_running_var_after")


@pytest.mark.parametrize("number", [0, 1])
@torch.no_grad()
def test_the_discriminator_is_basicsrs(number: int) -> None:
    case = Case(GROUP, "net_unetdiscriminatorsn")
    net = build_network({"type": "UNetDiscriminatorSN", **case.meta["ctors"][number]})
    vectors = {
        key.removeprefix("sn/"): case.tensor(key) for key in case.arrays if key.startswith("sn/")
    }
    net.load_state_dict({**fill(net.state_dict()), **vectors})
    case.close(net.eval()(case.tensor("x")), f"y_eval{number}")
    case.close(net.train()(case.tensor("x")), f"y_train{number}")


@pytest.mark.parametrize(
    ("name", "listed", "options"),
    [
        ("RRDBPSNet", "RRDBPSNet", {}),
        ("RRDBNet", "RRDBNet", {"num_in_ch": 3, "num_out_ch": 3}),
        ("RRDBAdaNet", "RRDBAdaNet", {}),
        ("BSRGANRRDBNet", "BSRGANRRDBNet", {}),
        ("HggtSwinIR", "SwinIR", {}),
        ("LocNet", "LocNet", {}),
        ("UNetDiscriminatorSN", "UNetDiscriminatorSN", {"num_in_ch": 3}),
    ],
)
def test_weights_have_the_published_names_and_shapes(
    name: str, listed: str, options: dict[str, Any]
) -> None:
    net = build_network({"type": name, **options})
    recorded = key_list(GROUP, listed)
    shapes = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert shapes == recorded["keys"]
    assert sum(p.numel() for p in net.parameters()) == recorded["parameters"]


@torch.no_grad()
def test_tiles_are_those_of_the_published_test() -> None:
    case = Case(GROUP, "tile_validation")
    net = filled(case.meta["network_g"]["type"], {
        key: value for key, value in case.meta["network_g"].items() if key != "type"
    })  # fmt: skip
    sizes = {"tile_size": case.meta["tile_size"], "tile_pad": case.meta["tile_pad"]}
    case.close(Predictor("none", **sizes)(net, case.tensor("lq")), "y_tiled")
    case.close(Predictor("none")(net, case.tensor("lq")), "y_full")
    whole = Predictor("none", tile_size=6, tile_pad=net.io.radius)(net, case.tensor("lq"))
    case.close(whole, "y_full")
