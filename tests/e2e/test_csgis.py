"""CSGIS-Net end to end on a small VOC-smooth: training with every branch, bad data, testing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.archs import build_network
from smoothkit.inference import main as infer
from smoothkit.ops.io import read_image, write_image
from smoothkit.test import main as evaluate
from smoothkit.train import main as train_main
from support.csgis import write_teacher
from support.fill import fill
from support.runs import assert_same, losses, told, weights
from support.vgg import write_vgg16
from support.voc import make_voc_demo

OPTIONS = Path(__file__).parents[2] / "options"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone")
TERMS = {"l_coarse", "l_pixel", "l_ssim", "l_edge", "l_grey", "l_style", "l_seg", "l_total"}
DATA = Path("datasets/VOC-smooth_demo")
PRETRAINED = Path("experiments/pretrained_models")


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``datasets/VOC-smooth_demo``."""
    root = tmp_path_factory.mktemp("voc")
    make_voc_demo(root)
    return root


@pytest.fixture
def csgis(voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes tiny.yml, or another file, changed, into a working folder with a copy of the data."""
    shutil.copytree(voc / "datasets", tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)

    def write(file: str = "csgis.yml", change=lambda options: None, base="tiny.yml") -> str:
        options: dict[str, Any] = yaml.safe_load((OPTIONS / "train/csgis" / base).read_text())
        change(options)
        Path(file).write_text(yaml.safe_dump(options, sort_keys=False))
        return file

    return write


def train(file: str, *args: str) -> int:
    return train_main(["-opt", file, *args])


def taught(options: dict[str, Any]) -> None:
    """The teacher from the file that ``write_teacher`` writes."""
    options["train"]["seg_opt"]["weights"] = "teacher.pth"


def learning(options: dict[str, Any]) -> None:
    """The teacher learns along."""
    options["train"]["seg_opt"] |= {"fixed": False}
    options["train"]["optim_seg"] = {"type": "Adam", "lr": 1e-3}


def test_training_improves_the_validation_and_resumes_exactly(csgis):
    longer = "train:total_iter=60", "val:val_freq=20", "train:optim_g:lr=0.005"
    half = "train:total_iter=30", *longer[1:], "logger:save_checkpoint_freq=30"
    assert train(csgis(), "--force_yml", *half) == 0
    assert train(csgis(), "--auto_resume", "--force_yml", *longer) == 0
    assert train(csgis("whole.yml", lambda o: o.update(name="whole")), "--force_yml", *longer) == 0
    assert_same(weights(60, "CSGISNet_tiny"), weights(60, "whole"))
    curve = losses("whole")
    assert curve[60] < 0.7 * curve[5]
    val = [line["val"] for line in told("whole") if "val" in line]
    assert val[-1]["psnr"] > val[0]["psnr"] + 1


def test_what_is_logged_is_what_is_summed(csgis):
    assert train(csgis()) == 0
    for line in told("CSGISNet_tiny"):
        if "l_total" in line:
            assert set(line) - {"iter", "epoch", "lr"} == TERMS
            parts = sum(v for k, v in line.items() if k.startswith("l_") and k != "l_total")
            assert line["l_total"] == pytest.approx(parts, rel=1e-5)


def test_a_run_that_is_killed_ends_with_the_weights_of_one_that_is_not(csgis):
    """Draws of the negative come from a state that checkpoints keep."""

    def change(options: dict[str, Any]) -> None:
        options["logger"] |= {"save_checkpoint_freq": 1, "print_freq": 1}
        options["val"]["val_freq"] = 100
        options["train"]["total_iter"] = 12

    command = [sys.executable, "-m", "smoothkit.train", "-opt", csgis(change=change)]
    run = subprocess.Popen([*command, "--auto_resume"], stderr=subprocess.DEVNULL)
    wanted = Path("experiments/CSGISNet_tiny/training_states/4.state")
    until = time.monotonic() + 100
    while not wanted.exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    subprocess.run([*command, "--auto_resume"], check=True, capture_output=True)

    def renamed(options: dict[str, Any]) -> None:
        change(options)
        options["name"] = "whole"

    whole = csgis("whole.yml", renamed)
    subprocess.run([*command[:-1], whole], check=True, capture_output=True)
    assert_same(weights(12, "CSGISNet_tiny"), weights(12, "whole"))


def test_pairs_blended_while_training_give_classes_and_negatives_too(csgis):
    def online(options: dict[str, Any]) -> None:
        train_set = options["datasets"]["train"]
        for key in ("dataroot", "dataroot_edge"):
            train_set.pop(key)
        train_set |= {
            "type": "OnlineBlendDataset",
            "dataroot_gt": str(DATA / "gt"),
            "dataroot_texture": str(DATA / "tx"),
            "random_offset": True,
        }

    rng = np.random.default_rng(0)
    write_image(DATA / "tx/0.png", rng.integers(0, 256, (7, 7, 3)).astype(np.uint8))
    longer = "train:total_iter=40", "train:optim_g:lr=0.005"
    assert train(csgis(change=online), "--force_yml", *longer) == 0
    assert losses("CSGISNet_tiny")[40] < 0.8 * losses("CSGISNet_tiny")[5]


def test_two_processes_are_one_with_twice_the_batch_under_global_reduction(csgis, run_python):
    write_teacher(Path("teacher.pth"), num_classes=6)

    def change(options: dict[str, Any], batch: int, name: str) -> None:
        taught(options)
        options["name"] = name
        options["negatives"]["source"] = "both"  # nothing is drawn
        options["datasets"]["train"].update(batch_size_per_gpu=batch, num_worker_per_gpu=0)
        # Statistics of BatchNorm are each process's own: fixed ones make the runs comparable.
        options["train"].update(total_iter=3, loss_reduction="global", freeze_norm_iter=0)
        options["logger"]["print_freq"] = 1
        options["datasets"].pop("val")
        options.pop("val")

    assert train(csgis("one.yml", lambda o: change(o, 4, "one"))) == 0
    pair = csgis("two.yml", lambda o: change(o, 2, "two"))
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", pair)
    assert done.returncode == 0, done.stderr
    single = losses("one")
    assert len(single) == 3
    for iteration, loss in losses("two").items():
        assert loss == pytest.approx(single[iteration], rel=1e-3)


def teacher_weights(iteration: int, name: str) -> dict[str, torch.Tensor]:
    path = f"experiments/{name}/models/net_seg_{iteration}.pth"
    return torch.load(path, weights_only=True)["params"]


def test_a_teacher_that_learns_along_resumes_exactly(csgis):
    assert train(csgis(change=learning), "--force_yml", "train:total_iter=10") == 0
    assert train(csgis(change=learning), "--auto_resume") == 0
    whole = csgis("whole.yml", lambda o: (learning(o), o.update(name="whole")))
    assert train(whole) == 0
    assert_same(weights(20, "CSGISNet_tiny"), weights(20, "whole"))
    assert_same(teacher_weights(20, "CSGISNet_tiny"), teacher_weights(20, "whole"))


@pytest.mark.parametrize("is_first", [True, False])
def test_going_on_with_another_kind_of_teacher_is_refused(csgis, capfd, is_first):
    kinds = (learning, lambda o: None) if is_first else (lambda o: None, learning)
    assert train(csgis(change=kinds[0]), "--force_yml", "train:total_iter=10") == 0
    capfd.readouterr()
    assert train(csgis(change=kinds[1]), "--auto_resume") == 2
    has = "also has" if is_first else "has no"
    assert f"the checkpoint {has} net_seg: what trains along is not" in capfd.readouterr().err


def two_steps(options: dict[str, Any]) -> None:
    learning(options)
    options["train"]["total_iter"] = 4
    options["logger"]["save_checkpoint_freq"] = 2


def test_a_teacher_that_learns_along_goes_on_learning_in_two_processes(csgis, run_python):
    pair = csgis(change=two_steps)
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", pair)
    assert done.returncode == 0, done.stderr
    change = {
        name: float((value - teacher_weights(2, "CSGISNet_tiny")[name]).abs().max())
        for name, value in teacher_weights(4, "CSGISNet_tiny").items()
        if value.is_floating_point()
    }
    assert max(change.values()) > 0


def as_test(options: dict[str, Any], checkpoint: str) -> None:
    """The option file turned into one for testing; what trained the network stays in it."""
    options["datasets"] = {"test_1": {**options["datasets"]["val"], "patch_size": None}}
    options["datasets"]["test_1"].pop("crop")
    options["path"] = {"pretrain_network_g": checkpoint}
    options["val"] = {"save_img": True, "suffix": "", "metrics": options["val"]["metrics"]}
    del options["network_g"]


def test_testing_reads_no_weights_of_what_a_network_was_trained_against(csgis, monkeypatch):
    assert train(csgis()) == 0

    def change(options: dict[str, Any]) -> None:
        as_test(options, "experiments/CSGISNet_tiny/models/net_g_20.pth")
        options["train"]["style_opt"]["weights"] = "nowhere.pth"
        options["train"]["seg_opt"]["weights"] = "nowhere.pth"

    assert evaluate(["-opt", csgis("test.yml", change)]) == 0
    assert len(Path("results/CSGISNet_tiny/metrics.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("kind", "dim"),
    [("HDC_cbam", 16), ("PDP_edge_refine", 8), ("RDB_edge_refine", 8), ("Edge_guided", 8)],
)
def test_a_published_checkpoint_tells_its_network_itself(csgis, capfd, kind, dim):
    net = build_network({"type": kind, "in_c": 3, "out_c": 3, "dim": dim, "num_block": 2})
    name = "epoch 149_ssim 0.890724_psnr 28.756027 "
    torch.save({"net": fill(net.state_dict()), "now_epoch": 150, "opt": {}}, name)
    file = csgis("test.yml", lambda o: as_test(o, name.rstrip()))
    assert evaluate(["-opt", file]) == 0
    assert f"network_g: {type(net).__name__}" in capfd.readouterr().err
    folders = ["--input", str(DATA / "gt"), "--output", "smooth"]
    assert infer(["--model_path", name, *folders]) == 0
    assert read_image("smooth/0.png").shape == (48, 60, 3)


def spoil_mask(number: int, levels: np.ndarray) -> None:
    write_image(DATA / f"seg/{number}.png", levels)


def test_masks_are_refused_before_anything_is_written(csgis, capfd):
    colours = np.full((48, 60, 3), 77, np.uint8)
    colours[:, ::2] = 200
    for levels, told_of in (
        (np.full((48, 60), 6, np.uint8), "seg/1.png"),
        (colours, "seg/1.png"),
        (np.zeros((48, 61), np.uint8), "must have the size of the ground truth, 48x60, got 48x61"),
    ):
        spoil_mask(1, levels)
        assert train(csgis()) == 2
        message = capfd.readouterr().err
        assert told_of in message
        assert "seg/1.png" in message
    (DATA / "seg/1.png").unlink()
    assert train(csgis()) == 2
    assert "seg/1.png" in capfd.readouterr().err
    assert not Path("experiments/CSGISNet_tiny").exists()


def test_over_smoothed_images_are_refused_before_anything_is_written(csgis, capfd):
    path = DATA / "over/2.png"
    write_image(path, np.zeros((40, 60, 3), np.uint8))
    assert train(csgis()) == 2
    assert "over/2.png: must have the size of the ground truth, 48x60" in capfd.readouterr().err
    path.unlink()
    assert train(csgis()) == 2
    assert "over/2.png" in capfd.readouterr().err
    without = csgis("no.yml", lambda o: o["datasets"]["train"].pop("dataroot_over"))
    assert train(without) == 2
    assert "datasets.train.dataroot_over: is missing" in capfd.readouterr().err


def test_weights_that_are_not_there_or_of_others_are_named(csgis, capfd, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", "cache")
    style = csgis("style.yml", lambda o: o["train"]["style_opt"].update(weights=None))
    assert train(style) == 2
    message = capfd.readouterr().err
    assert "vgg16-397923af.pth: no such weights here" in message
    assert "experiments/pretrained_models" in message
    fixed = csgis("seg.yml", lambda o: o["train"]["seg_opt"].pop("weights"))
    assert train(fixed) == 2
    assert "best_deeplabv3plus_mobilenet_voc_os16.pth" in capfd.readouterr().err
    write_teacher(Path("teacher.pth"), num_classes=19)
    assert train(csgis("other.yml", taught)) == 2
    assert "teacher.pth: tells 19 classes apart, the network 6" in capfd.readouterr().err


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    write_vgg16(folder / "vgg16-397923af.pth")
    write_teacher(folder / "best_deeplabv3plus_mobilenet_voc_os16.pth")
    return folder


def place(pretrained: Path) -> None:
    """Put the published weights where they are looked for, in the working folder."""
    PRETRAINED.mkdir(parents=True)
    for path in pretrained.iterdir():
        (PRETRAINED / path.name).symlink_to(path)


TRAINING = sorted(path.name for path in (OPTIONS / "train/csgis").glob("train_*.yml"))


def shrunk(options: dict[str, Any]) -> None:
    """A shipped file for full size on the small data, for a few iterations."""
    train_set, val_set = options["datasets"]["train"], options["datasets"].get("val", {})
    folders = {"dataroot": "train", "dataroot_edge": "edge", "dataroot_segmentation": "seg"}
    folders |= {"dataroot_over": "over", "dataroot_gt": "gt", "dataroot_texture": "tx"}
    train_set |= {key: str(DATA / name) for key, name in folders.items() if key in train_set}
    train_set |= {"patch_size": 32, "batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
    if val_set:
        val_set |= {"dataroot": str(DATA / "val"), "patch_size": 32, "num_worker_per_gpu": 0}
        options["val"]["val_freq"] = 2
    if options["network_g"]["type"] != "DeepLabV3Plus":
        options["network_g"] |= {"dim": 8, "num_block": 1}
    for key in ("total_epochs", "scheduler", "warmup_iter"):
        options["train"].pop(key, None)
    options["train"]["total_iter"] = 2
    options["logger"]["print_freq"] = 1
    options["name"] = "shrunk"
    seg = options["train"].get("seg_opt", {})
    if (seg.get("weights") or "").startswith("experiments/DeepLab_demo"):  # another training's
        seg["weights"] = "random"


@pytest.mark.parametrize("file", TRAINING)
def test_every_shipped_training_runs(csgis, voc, pretrained, file):
    place(pretrained)
    (DATA / "tx").symlink_to(voc / "tx")
    assert train(csgis(file, shrunk, base=file)) == 0
    assert len(losses("shrunk")) == 2


@pytest.mark.parametrize(
    "path", sorted(OPTIONS.glob("*/csgis/*.yml")), ids=lambda p: str(p.relative_to(OPTIONS))
)
def test_option_files_have_no_faults_with_their_checkpoints(
    path, pretrained, capfd, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    place(pretrained)
    options = yaml.safe_load(path.read_text())
    teacher = options.get("train", {}).get("seg_opt", {})
    if str(teacher.get("weights")).endswith(".pth"):  # made by a run that has not been
        write_teacher(Path(teacher["weights"]), teacher["network"]["num_classes"])
    weights_of = options.get("path", {}).get("pretrain_network_g")
    if weights_of:  # published, or made by a run that has not been
        Path(weights_of).parent.mkdir(parents=True, exist_ok=True)
        net = build_network({"type": "JESSNet", "dim": 4, "num_block": 1})
        torch.save({"net": net.state_dict()}, weights_of)
    code = smoothkit_main(["check", "-opt", str(path), "--no-data"])
    assert code == 0, capfd.readouterr().err
