"""LSA matting end to end on a small composition set: training, checkpoints, testing."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from smoothkit.archs import build_network
from smoothkit.systems.lsa.encoder import ResNetV1d
from smoothkit.test import main as evaluate
from smoothkit.train import main as train_main
from support.fill import fill
from support.matting import make_matting_data
from support.runs import assert_same, losses, told, weights

OPTIONS = Path(__file__).parents[2] / "options"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone")
VAL = Path("datasets/matting_demo/val")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``datasets/matting_demo``."""
    root = tmp_path_factory.mktemp("matting")
    make_matting_data(root)
    return root


@pytest.fixture
def lsa(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes tiny.yml, or a test file, changed, into a working folder with a copy of the data."""
    shutil.copytree(data / "datasets", tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)

    def write(file: str = "lsa.yml", change=lambda options: None, base="train/lsa/tiny.yml") -> str:
        options: dict[str, Any] = yaml.safe_load((OPTIONS / base).read_text())
        change(options)
        Path(file).write_text(yaml.safe_dump(options, sort_keys=False))
        return file

    return write


def train(file: str, *args: str) -> int:
    return train_main(["-opt", file, *args])


def test_training_improves_the_validation_and_resumes_exactly(lsa):
    longer = "train:total_iter=60", "val:val_freq=20", "train:optim_g:lr=0.005"
    half = ("train:total_iter=30", *longer[1:], "logger:save_checkpoint_freq=30")
    assert train(lsa(), "--force_yml", *half) == 0
    assert train(lsa(), "--auto_resume", "--force_yml", *longer) == 0
    assert train(lsa("whole.yml", lambda o: o.update(name="whole")), "--force_yml", *longer) == 0
    assert_same(weights(60, "LSA_tiny"), weights(60, "whole"))
    val = [line["val"] for line in told("whole") if "val" in line]
    assert val[-1]["sad"] < val[0]["sad"]
    assert val[-1]["mse"] < 0.9 * val[0]["mse"]


def test_adam_goes_on_with_its_moments(lsa):
    assert train(lsa(), "--force_yml", "train:total_iter=10") == 0
    state = torch.load("experiments/LSA_tiny/training_states/10.state", weights_only=True)
    groups = state["optimizers"][0]["param_groups"]
    assert [group["weight_decay"] for group in groups] == [1e-4, 1e-5]
    moments = state["optimizers"][0]["state"]
    assert len(moments) == sum(len(group["params"]) for group in groups)
    assert all(moment["exp_avg_sq"].abs().max() > 0 for moment in moments.values())


def test_composing_in_the_workers_gives_the_losses_of_composing_on_the_device(lsa):
    def change(options):
        options["datasets"]["train"]["compose"] = "worker"
        options["name"] = "worker"

    assert train(lsa(change=change), "--force_yml", "train:total_iter=10") == 0
    assert train(lsa("other.yml"), "--force_yml", "train:total_iter=10") == 0
    other = losses("LSA_tiny")
    for iteration, loss in losses("worker").items():
        assert loss == pytest.approx(other[iteration], rel=1e-4)


def test_two_processes_are_one_with_twice_the_batch_under_global_reduction(lsa, run_python):
    def change(options, batch, name):
        options["name"] = name
        options["datasets"]["train"].update(batch_size_per_gpu=batch, num_worker_per_gpu=0)
        # Statistics of BatchNorm are each process's own: fixed ones make the runs comparable.
        options["train"].update(total_iter=4, loss_reduction="global", freeze_norm_iter=0)
        options["logger"]["print_freq"] = 1
        options["datasets"].pop("val")
        options.pop("val")

    assert train(lsa("one.yml", lambda o: change(o, 4, "one"))) == 0
    pair = lsa("two.yml", lambda o: change(o, 2, "two"))
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", pair)
    assert done.returncode == 0, done.stderr
    single = losses("one")
    assert len(single) == 4
    for iteration, loss in losses("two").items():
        assert loss == pytest.approx(single[iteration], rel=1e-4)


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def published_checkpoint() -> None:
    """The tiny network's weights as the published program writes them."""
    options = yaml.safe_load((OPTIONS / "train/lsa/tiny.yml").read_text())["network_g"]
    state = fill(build_network(options).state_dict())
    content = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}
    torch.save(content, "ckpt_e3.pth")


def small_test(options: dict[str, Any]) -> None:
    options["network_g"].update(width=4, blocks=[1, 1, 1, 1])
    options["path"]["pretrain_network_g"] = "ckpt_e3.pth"
    for section in options["datasets"].values():
        section.update(dataroot=str(VAL), num_worker_per_gpu=0)


@pytest.mark.parametrize("file", ["test_Composition1k", "test_Composition1k_reference"])
def test_a_published_checkpoint_is_measured_on_a_test_set(lsa, file):
    published_checkpoint()
    path = lsa(change=small_test, base=f"test/lsa/{file}.yml")
    assert evaluate(["-opt", path]) == 0
    folder = Path("results") / yaml.safe_load(Path(path).read_text())["name"]
    rows = table(folder)
    written = sorted(p.name for p in (folder / "visualization/Composition-1k").iterdir())
    assert written == sorted(p.name for p in (VAL / "merged").iterdir())
    for row in rows[:2]:
        assert all(float(row[name]) >= 0 for name in ("sad", "mse", "grad", "conn"))
    for name in written:
        alpha = cv2.imread(str(folder / "visualization/Composition-1k" / name), -1)
        trimap = cv2.imread(str(VAL / "trimaps" / name), -1)
        assert alpha.ndim == 2
        assert (alpha[trimap == 255] == 255).all()
        assert (alpha[trimap == 0] == 0).all()


def test_figures_are_those_of_the_script_over_the_written_files(lsa, run_script):
    published_checkpoint()
    assert evaluate(["-opt", lsa(change=small_test, base="test/lsa/test_Composition1k.yml")]) == 0
    results = Path("results/LSA_Composition1k")
    arguments = f"--pred_dir {results}/visualization/Composition-1k --gt_dir {VAL}/alpha_copy "
    arguments += f"--trimap_dir {VAL}/trimaps --out_dir again"
    assert run_script("metrics/evaluate_matting.py", arguments) == 0
    for one, two in zip(table(results), table(Path("again")), strict=True):
        for name in ("sad", "mse", "grad", "conn"):
            assert float(one[name]) == pytest.approx(float(two[name]), rel=1e-6), name
        assert len(one["trimaps"]) == 12
        assert one["trimaps"] == two["trimaps"]


def test_the_reference_cuts_files_down_and_measures_what_the_network_gave(lsa):
    published_checkpoint()
    found = {}
    for file in ("test_Composition1k", "test_Composition1k_reference"):
        path = lsa(change=small_test, base=f"test/lsa/{file}.yml")
        assert evaluate(["-opt", path]) == 0
        folder = Path("results") / yaml.safe_load(Path(path).read_text())["name"]
        images = sorted((folder / "visualization/Composition-1k").iterdir())
        found[file] = [cv2.imread(str(image), -1).astype(int) for image in images], table(folder)
    (rounded, _), (cut, rows) = found.values()
    differences = [r - c for r, c in zip(rounded, cut, strict=True)]
    assert all(set(d.ravel()) == {0, 1} for d in differences)
    for row, image in zip(rows, cut, strict=True):
        truth = cv2.imread(str(VAL / f"alpha_copy/{row['image']}.png"), cv2.IMREAD_GRAYSCALE)
        of_file = np.abs(image - truth.astype(int)).sum() / 255 / 1000
        assert float(row["sad"]) == pytest.approx(of_file, rel=0.02)
        assert float(row["sad"]) != pytest.approx(of_file, rel=1e-6)


def test_alphamatting_has_three_trimaps_an_image(lsa):
    published_checkpoint()
    root = Path("datasets/alphamatting")
    shutil.copytree(VAL / "merged", root / "input_lowres")
    for number in (1, 2, 3):
        shutil.copytree(VAL / "trimaps", root / f"trimap_lowres/Trimap{number}")

    def change(options):
        small_test(options)
        options["predictor"].update(scales=[1.0], refine={"steps": 3})
        for section in options["datasets"].values():
            section["dataroot"] = str(root)

    assert evaluate(["-opt", lsa(change=change, base="test/lsa/test_alphamatting.yml")]) == 0
    for number in (1, 2, 3):
        folder = Path(f"results/LSA_alphamatting/visualization/Trimap{number}")
        assert len(list(folder.iterdir())) == 2


def test_fine_tuning_keeps_the_statistics_of_batch_norm(lsa):
    published_checkpoint()
    root = Path("datasets/alphamatting")
    for kind, name in (("merged", "input_lowres"), ("alpha_copy", "gt_lowres")):
        shutil.copytree(VAL / kind, root / name)
    for number in (1, 2):
        shutil.copytree(VAL / "trimaps", root / f"trimap_lowres/Trimap{number}")

    def change(options):
        options["network_g"].update(width=4, blocks=[1, 1, 1, 1])
        options["path"]["pretrain_network_g"] = "ckpt_e3.pth"
        options["datasets"]["train"]["num_worker_per_gpu"] = 0
        options["train"].update(total_epochs=2)

    assert train(lsa(change=change, base="train/lsa/train_LSA_finetune.yml")) == 0
    before = torch.load("ckpt_e3.pth", weights_only=True)["state_dict"]
    after = weights("latest", "LSA_finetune")
    moved = {k for k in after if not torch.equal(after[k], before[f"module.{k}"])}
    assert moved
    assert not any("running" in name for name in moved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o["network_g"].update(width=6), "network_g.width: must be a multiple of 4"),
        (lambda o: o["network_g"].update(blocks=[1]), "blocks: must be four numbers of 1 or more"),
        (lambda o: o.update(network_g={"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3}),
         "network_g.type: must be a matting network, such as LsaNet, got RRDBNet."),
        (lambda o: o.update(predictor={"scales": [0]}), "predictor.scales: must be numbers above"),
        (lambda o: o.update(predictor={"refine": {"stages": [1]}}), "must be some of 2 to 5"),
        (lambda o: o.update(predictor={"refine": {"step": 1}}), "Did you mean 'steps'?"),
        (lambda o: o["train"]["optim_g"].update(groups=[{"weight_decay": 0}]),
         "groups[0]: needs either 'names'"),
        (lambda o: o["train"]["optim_g"].update(groups=[{"names": ["bnn"], "lr": 1}]),
         "groups[0]: no parameter of the network belongs to this group"),
        (lambda o: o["datasets"].update(train={"type": "NoiseDataset", "length": 2}),
         "datasets.train.type: gives no 'trimap'"),
        (lambda o: o["train"].update(alpha_opt={"type": "MattingClassLoss"}),
         "needs logits of 3 classes, got 1 channel(s)"),
        (lambda o: o["datasets"].update(val={"type": "NoiseDataset", "length": 2}),
         "gives no 'lq' with a 'trimap'"),
        (lambda o: o.update(encoder_weights="no.pth"), "no such checkpoint"),
    ],
)  # fmt: skip
def test_a_fault_is_named(lsa, capfd, change, message):
    assert train(lsa(change=change)) == 2
    assert message in capfd.readouterr().err


def test_an_encoder_file_is_needed_for_the_start_of_a_training_alone(lsa, capfd):
    state = fill(ResNetV1d(3, 4, [1, 1, 1, 1]).state_dict())
    published = {f"backbone.{name}": value for name, value in state.items()}
    torch.save({"state_dict": {**published, "head.fc.bias": torch.zeros(9)}}, "resnet.pth")

    def change(options):
        options["encoder_weights"] = "resnet.pth"
        options["train"]["total_iter"] = 1
        options["train"]["optim_g"]["lr"] = 1e-12
        options["logger"]["save_checkpoint_freq"] = 1

    assert train(lsa(change=change)) == 0
    after = weights("latest", "LSA_tiny")
    name = "layer3.0.conv2.weight"
    torch.testing.assert_close(after[f"backbone.{name}"], state[name], rtol=0, atol=1e-9)
    stem = after["backbone.stem.0.conv.weight"]
    torch.testing.assert_close(stem[:, :3], state["stem.0.conv.weight"], rtol=0, atol=1e-9)
    assert stem[:, 3:].abs().max() < 1e-9
    Path("resnet.pth").unlink()
    assert train(lsa(change=change), "--auto_resume", "--force_yml", "train:total_iter=2") == 0
    capfd.readouterr()
    assert train(lsa(change=change)) == 2
    assert "resnet.pth: no such checkpoint" in capfd.readouterr().err
