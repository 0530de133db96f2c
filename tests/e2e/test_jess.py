"""JESS-Net end to end on a small SPS set: data, training, checkpoints of both layouts, testing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from smoothkit.archs import build_network
from smoothkit.test import main as evaluate
from smoothkit.train import main as train_main
from support.fill import fill
from support.runs import assert_same, losses, told, weights
from support.sps import make_sps

OPTIONS = Path(__file__).parents[2] / "options"


@pytest.fixture(scope="module")
def sps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``datasets/SPS_demo``."""
    root = tmp_path_factory.mktemp("sps")
    make_sps(root)
    return root


@pytest.fixture
def jess(sps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes tiny.yml, changed, into a working folder that holds a copy of the data."""
    shutil.copytree(sps / "datasets", tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)

    def write(file: str = "jess.yml", change=lambda options: None) -> str:
        options: dict[str, Any] = yaml.safe_load((OPTIONS / "train/jess/tiny.yml").read_text())
        change(options)
        Path(file).write_text(yaml.safe_dump(options, sort_keys=False))
        return file

    return write


def train(file: str, *args: str) -> int:
    return train_main(["-opt", file, *args])


def test_training_improves_the_held_out_pairs_and_resumes_exactly(jess):
    assert train(jess(), "--force_yml", "train:total_iter=10") == 0
    assert train(jess(), "--auto_resume") == 0
    assert train(jess("whole.yml", lambda o: o.update(name="whole"))) == 0
    assert_same(weights(20, "JESSNet_tiny"), weights(20, "whole"))
    curve = losses("whole")
    assert curve[20] < curve[5]
    val = [line["val"] for line in told("whole") if "val" in line]
    assert val[1]["psnr"] > val[0]["psnr"]
    names = set(told("whole")[0]) - {"iter", "epoch", "lr"}
    assert names == {"l_coarse", "l_pixel", "l_ssim", "l_edge", "l_total"}


def test_what_is_logged_is_what_is_summed(jess):
    assert train(jess()) == 0
    for line in told("JESSNet_tiny"):
        if "l_total" in line:
            parts = sum(v for k, v in line.items() if k.startswith("l_") and k != "l_total")
            assert line["l_total"] == pytest.approx(parts, rel=1e-5)


def as_test(options: dict[str, Any], checkpoint: str) -> None:
    del options["train"], options["network_g"], options["datasets"]["train"]
    options["path"] = {"pretrain_network_g": checkpoint}
    options["datasets"]["val"]["patch_size"] = None
    options["datasets"]["val"].pop("crop")
    options["val"] = {"save_img": True, "suffix": "", "metrics": options["val"]["metrics"]}


@pytest.mark.parametrize("typed", ["epoch 3_ssim 0.5_psnr 20.0", "epoch 3_ssim 0.5_psnr 20.0 "])
@pytest.mark.parametrize("kind", ["Baseline", "HDC", "HDC_edge", "HDC_edge_refine"])
def test_a_published_checkpoint_tells_its_network_itself(jess, capfd, typed, kind):
    net = build_network({"type": kind, "in_c": 3, "out_c": 3, "dim": 6, "num_block": 2})
    state = fill(net.state_dict())
    name = "epoch 3_ssim 0.5_psnr 20.0 "
    torch.save({"net": state, "now_epoch": 4, "opt": {"state": {}, "param_groups": []}}, name,
               _use_new_zipfile_serialization=False)  # fmt: skip
    assert evaluate(["-opt", jess("test.yml", lambda o: as_test(o, typed))]) == 0
    assert f"network_g: {type(net).__name__}" in capfd.readouterr().err
    assert len(Path("results/JESSNet_tiny/metrics.csv").read_text().splitlines()) == 3


def test_another_block_count_is_named(jess, capfd):
    assert train(jess()) == 0

    def deeper(options: dict[str, Any]) -> None:
        options["name"] = "deeper"
        options["network_g"]["num_block"] = 3
        options["path"] = {"pretrain_network_g": "experiments/JESSNet_tiny/models/net_g_20.pth"}

    assert train(jess("deeper.yml", deeper)) == 2
    err = capfd.readouterr().err.splitlines()[-1]
    assert "missing: descriptor.res16.1.conv_3x3_1.weight" in err
    assert "The file holds JESSNet with in_c 3, out_c 3, dim 8, num_block 1" in err


def test_a_left_out_block_count_is_taken_from_the_checkpoint(jess):
    assert train(jess()) == 0

    def shorter(options: dict[str, Any]) -> None:
        as_test(options, "experiments/JESSNet_tiny/models/net_g_20.pth")
        options["network_g"] = {"type": "HDC_edge_refine"}

    assert evaluate(["-opt", jess("test.yml", shorter)]) == 0


def test_a_corrupt_pair_is_named_or_skipped(jess, capfd):
    file = jess()
    pair = sorted(Path("datasets/SPS_demo/train").glob("*.png"))[2]
    pair.write_bytes(pair.read_bytes()[:200])
    assert train(file) == 2
    assert pair.name in capfd.readouterr().err
    skipping = jess("skip.yml", lambda o: o["datasets"]["train"].update(on_error="skip"))
    assert train(skipping) == 0
    assert "could not be used and were skipped" in capfd.readouterr().err


def test_data_faults_are_found_before_anything_is_written(jess, capfd):
    folder = Path("datasets/SPS_demo")
    cases = {
        "dataroot=nowhere": "datasets.train",
        "patch_size=128": "patch",
        "dataroot_edge=empty": "empty",
    }
    Path("empty").mkdir()
    for change, message in cases.items():
        assert train(jess(), "--force_yml", f"datasets:train:{change}") == 2
        assert message in capfd.readouterr().err
    next(iter(folder.glob("edge/*.png"))).unlink()
    assert train(jess()) == 2
    assert "edge" in capfd.readouterr().err
    assert not Path("experiments/JESSNet_tiny").exists()


def test_names_with_spaces_unicode_and_dots_work(jess):
    shutil.move("datasets/SPS_demo", "SPS größe 1")
    Path("inner").mkdir()

    def moved(options: dict[str, Any]) -> None:
        options["name"] = "läuft gut"
        for key, folder in (("train", "train"), ("val", "val")):
            options["datasets"][key]["dataroot"] = f"inner/../SPS größe 1/{folder}"
        options["datasets"]["train"]["dataroot_edge"] = "inner/../SPS größe 1/edge"

    assert train(jess(change=moved)) == 0
    assert Path("experiments/läuft gut/models/net_g_20.pth").exists()
    assert len(losses("läuft gut")) == 4


@pytest.mark.parametrize(
    "path", sorted(OPTIONS.glob("*/jess/*.yml")), ids=lambda p: str(p.relative_to(OPTIONS))
)
def test_option_files_have_no_faults_with_their_checkpoints(path, capfd, tmp_path, monkeypatch):
    from smoothkit.__main__ import main as smoothkit_main

    monkeypatch.chdir(tmp_path)
    weights_of = yaml.safe_load(path.read_text()).get("path", {}).get("pretrain_network_g")
    if weights_of:  # published, or made by a run that has not been
        Path(weights_of).parent.mkdir(parents=True, exist_ok=True)
        net = build_network({"type": "JESSNet", "dim": 4, "num_block": 1})
        torch.save({"net": net.state_dict()}, weights_of)
    code = smoothkit_main(["check", "-opt", str(path), "--no-data"])
    assert code == 0, capfd.readouterr().err
