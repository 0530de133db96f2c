"""Checkpoint files, good and bad."""

from __future__ import annotations

import os
import pickle
import tarfile

import numpy as np
import pytest
import torch
from torch import nn

from smoothkit.core.errors import DataError
from smoothkit.core.weights import (
    cpu_state,
    find_checkpoint,
    load_file,
    load_into,
    network_state,
    save_file,
    save_safetensors,
)


@pytest.fixture
def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize("layout", ["params", "params_ema", "net", "state_dict", "model_state"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_the_references_layouts_are_recognised(tmp_path, net, layout, prefix):
    state = {f"{prefix}{name}": value for name, value in net.state_dict().items()}
    extra = {"now_epoch": 3, "opt": {"state": {}, "param_groups": []}}
    save_file(tmp_path / "a.pth", {layout: state, **extra})
    found = network_state(load_file(tmp_path / "a.pth"), "a.pth")
    assert found.keys() == net.state_dict().keys()


def test_a_bare_state_dict_and_a_wanted_key(tmp_path, net):
    state = net.state_dict()
    assert network_state(state, "a.pth", "params").keys() == state.keys()
    double = {"params": state, "params_ema": {k: v * 2 for k, v in state.items()}}
    assert torch.equal(network_state(double, "a.pth", "params")["0.bias"], state["0.bias"])
    assert torch.equal(network_state(double, "a.pth")["0.bias"], 2 * state["0.bias"])


def test_a_numpy_score_beside_the_weights_is_allowed(tmp_path, net):
    torch.save(
        {"model_state": net.state_dict(), "best_score": np.float64(0.711)}, tmp_path / "a.pth"
    )
    assert network_state(load_file(tmp_path / "a.pth"), "a.pth").keys() == net.state_dict().keys()


def test_the_legacy_layout_loads(tmp_path, net):
    torch.save(net.state_dict(), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert load_file(tmp_path / "a.pth").keys() == net.state_dict().keys()


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"params": Evil()}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(DataError, match=r"refused.*would run code"):
            load_file(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match=r"a\.png: is no checkpoint, but some other kind of file"):
        load_file(tmp_path / "a.png")


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_truncated_file_is_named(tmp_path, net, keep):
    save_file(tmp_path / "a.pth", net.state_dict())
    (tmp_path / "a.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.pth: truncated"):
        load_file(tmp_path / "a.pth")


def test_a_file_without_a_network_says_what_it_holds(tmp_path):
    with pytest.raises(DataError, match=r"holds no network.*got epoch, iter"):
        network_state({"epoch": 1, "iter": 2}, "a.state")


def test_other_weights_name_a_few_of_what_differs(net):
    other = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Identity(), nn.Linear(2, 2))
    with pytest.raises(DataError) as caught:
        load_into(net, other.state_dict(), "a.pth")
    message = str(caught.value)
    assert "missing: 1.weight, 1.bias, 1.running_mean, ... (5 in all)" in message
    assert "not in the network: 2.weight, 2.bias" in message
    assert "of another shape: 0.weight (5, 3, 3, 3) for (4, 3, 3, 3)" in message


def test_without_strict_what_fits_is_loaded(net):
    state = {**net.state_dict(), "0.bias": torch.ones(4), "extra": torch.ones(1)}
    state["0.weight"] = torch.zeros(1)
    left = load_into(net, state, "a.pth", strict=False)
    assert set(left) == {"0.weight", "extra"}
    assert torch.equal(net[0].bias, torch.ones(4))


def test_safetensors_hold_channels_last_and_shared_weights(tmp_path):
    shared = nn.Conv2d(3, 3, 3)
    net = nn.Sequential(shared, shared).to(memory_format=torch.channels_last)
    save_safetensors(tmp_path / "a.safetensors", net.state_dict(), {"meta": "{}"})
    found = load_file(tmp_path / "a.safetensors")["params"]
    assert torch.equal(found["1.weight"], net[0].weight)
    assert cpu_state(net)["0.weight"].is_contiguous()


def test_without_strict_what_is_left_out_is_told(net, caplog):
    state = {**net.state_dict(), "extra": torch.ones(1)}
    load_into(net, state, "a.pth", strict=False)
    assert "a.pth: 7 of 7 entries of Sequential loaded; not in the network: extra" in caplog.text


def test_weights_of_which_nothing_fits_are_refused_without_strict_too(net):
    with pytest.raises(DataError, match=r"a\.pth: nothing in it fits this Sequential: missing"):
        load_into(net, {"other.weight": torch.ones(1)}, "a.pth", strict=False)


@pytest.mark.parametrize("prefix", ["generator.", "netG.", "model.", "net_g.module."])
def test_the_network_inside_a_wrapper_is_found(net, prefix):
    wanted = {name: torch.full_like(value, 2) for name, value in net.state_dict().items()}
    wrapper = {f"{prefix}{name}": value for name, value in wanted.items()}
    load_into(net, {**wrapper, "discriminator.0.bias": torch.ones(4), "step": torch.ones(1)}, "a")
    assert torch.equal(net[0].bias, torch.full((4,), 2.0))


def test_the_averaged_network_inside_a_wrapper_is_preferred(net):
    plain = {f"generator.{name}": value for name, value in net.state_dict().items()}
    averaged = {f"generator_ema.{name}": value + 3 for name, value in net.state_dict().items()}
    before = net[0].bias.clone()
    load_into(net, {**plain, **averaged}, "a.pth")
    assert torch.equal(net[0].bias, before + 3)


def test_a_network_under_a_name_of_somebody_elses_is_found(net):
    content = {"weights_of_g": net.state_dict(), "epoch": 3, "optimizer": {"state": {}}}
    assert network_state(content, "a.pth").keys() == net.state_dict().keys()


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path):
    (tmp_path / "net_g_5000.pth").touch()
    with pytest.raises(DataError, match=r"no such checkpoint\. Did you mean 'net_g_5000\.pth'\?$"):
        find_checkpoint(tmp_path / "net_g_500.pth")
    with pytest.raises(DataError, match=r"no such checkpoint\.$"):
        find_checkpoint(tmp_path / "nowhere" / "a.pth")


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_no_message_recommends_to_load_without_protection(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"a\.pth: is a program \(TorchScript\)") as caught:
        load_file(tmp_path / "a.pth")
    with tarfile.open(tmp_path / "b.pth", "w") as archive:
        for name in ("pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match=r"b\.pth: refused.*oldest format") as old:
        load_file(tmp_path / "b.pth")
    assert "False" not in f"{caught.value}{old.value}"
