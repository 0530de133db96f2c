"""The matting network and its parts against recorded outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.core.errors import DataError
from smoothkit.systems.lsa.arch import LsaNet, load_encoder
from smoothkit.systems.lsa.skips import SKIPS
from support.fill import fill
from support.oracle import Case, key_list

GROUP = "matting"


def filled(**options: object) -> LsaNet:
    net = build_network({"type": "LSAMatting", **options}).eval()
    net.load_state_dict(fill(net.state_dict()))
    return net


def shapes(state: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in state.items()}


def prefixed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"skip.{name}": value for name, value in state.items()}


@pytest.mark.parametrize(
    ("decoder", "names", "alpha", "count"),
    [
        ("simple", "LSAMatting", "alpha", 38_067_809),
        ("fam", "LSAMatting_FAM", "alpha_fam", 38_079_233),
    ],
)
@torch.no_grad()
def test_both_decoders_give_what_the_published_ones_give(
    decoder: str, names: str, alpha: str, count: int
) -> None:
    case = Case(GROUP, "network")
    net = filled(decoder=decoder)
    assert shapes(net.state_dict()) == key_list(GROUP, names)
    assert sum(p.numel() for p in net.parameters()) == count
    for number in (0, 1):
        result = net(case.tensor(f"x{number}"))
        np.testing.assert_allclose(result, case[f"{alpha}{number}"], rtol=0, atol=2e-5)


@torch.no_grad()
def test_every_stage_agrees() -> None:
    case = Case(GROUP, "network")
    net = filled()
    for number in (0, 1):
        stages = net.features(case.tensor(f"x{number}"))
        for k in range(1, 6):
            stage = stages[f"stage{k}"]
            corner = stage[:, :4, :3, :3]
            np.testing.assert_allclose(corner, case[f"corner_stage{k}_{number}"], atol=2e-5)
            stats = [stage.mean(), stage.std(), stage.abs().max()]
            np.testing.assert_allclose(stats, case[f"stat_stage{k}_{number}"], rtol=1e-4)
        deep = net.decoder.step(5, stages["stage5"], None)
        np.testing.assert_allclose(deep[:, :8], case[f"dec5_{number}"], atol=2e-5)


@pytest.mark.parametrize("name", ["aspp", "ppm", "attention"])
@torch.no_grad()
def test_skip_variants_agree(name: str) -> None:
    case = Case(GROUP, "skip_variants")
    module = SKIPS[name]({"stage0": 4, **case.meta["inChannels"]}).eval()
    state = fill(prefixed(module.state_dict()))
    assert shapes(state) == case.meta["modules"][name]["keys"]
    module.load_state_dict({k.removeprefix("skip."): v for k, v in state.items()})
    stages = {f"stage{k}": case.tensor(f"in_stage{k}") for k in range(2, 6)}
    stages["stage1"] = torch.zeros(1, 8, 1, 1)
    result = module(case.tensor("image").float(), stages)
    arrays = [key for key in case.arrays if key.startswith(f"{name}_")]
    assert arrays
    for key in arrays:
        own = result[key.removeprefix(f"{name}_")]
        own = own if own.shape == case[key].shape else own[:, :8]
        np.testing.assert_allclose(own, case[key], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["ASPP", "PPM", "attention"])
def test_skip_variants_have_the_published_names_at_full_size(name: str) -> None:
    with torch.device("meta"):
        net = build_network({"type": "LSAMatting", "skip": name.lower()})
    assert shapes(prefixed(net.skip.state_dict())) == key_list(GROUP, f"LSAMatting_skip_{name}")


@torch.no_grad()
def test_imagenet_weights_are_adapted_to_four_channels(tmp_path) -> None:
    case = Case(GROUP, "adapt")
    names = key_list(GROUP, "pretrained_resnetv1d50")
    blank = {name: torch.zeros(shape) for name, shape in names.items()}
    for name in blank:
        if name.endswith("num_batches_tracked"):
            blank[name] = blank[name].long()
    torch.save({"meta": {}, "state_dict": fill(blank)}, tmp_path / "resnet.pth")
    net = build_network({"type": "LsaNet"}).eval()
    load_encoder(net, tmp_path / "resnet.pth")
    assert np.array_equal(net.backbone.stem[0].conv.weight, case["stem0"])
    x = np.random.RandomState(74).standard_normal((1, 4, 32, 48)).astype(np.float32)
    stages = net.backbone(torch.from_numpy(x))
    for k in range(1, 6):
        stage = stages[f"stage{k}"]
        stats = [stage.mean(), stage.std()]
        np.testing.assert_allclose(stats, case[f"mean_std_stage{k}"], atol=1e-5)
    np.testing.assert_allclose(stages["stage5"][:, :32], case["stage5"], atol=1e-5)


def test_other_weights_are_no_encoder(tmp_path) -> None:
    net = build_network({"type": "LsaNet", "width": 4})
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="not the weights of a ResNetV1d"):
        load_encoder(net, tmp_path / "other.pth")
