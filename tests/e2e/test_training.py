"""Training runs of the tiny system through the real entry points."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

import smoothkit
from smoothkit.models.restoration import RestorationModel
from smoothkit.test import main as evaluate
from smoothkit.train import main as train_main
from support.runs import assert_same, losses, told, weights


def train(path: Path, *args: str) -> int:
    return train_main(["-opt", str(path), *args])


def test_training_lowers_the_loss_and_writes_what_basicsr_writes(tiny):
    path = tiny(train={"total_iter": 60}, val={"val_freq": 30}, logger={"use_tb_logger": True})
    assert train(path) == 0
    curve = losses()
    assert curve[60] < 0.5 * curve[1]
    val = [line["val"]["psnr"] for line in told() if "val" in line]
    assert val[1] > val[0]
    folder = Path("experiments/tiny")
    assert (folder / "models/net_g_60.pth").exists()
    assert (folder / "models/net_g_latest.pth").exists()
    assert (folder / "training_states/60.state").exists()
    assert list(folder.glob("train_tiny_*.log"))
    assert list(Path("tb_logger/tiny").glob("events*"))
    assert (folder / "visualization/held_out/comparison_60.png").exists()


def test_testing_measures_what_training_saved(tiny):
    train(tiny(train={"total_iter": 60}, val={"val_freq": 60}))
    path = tiny(
        "test.yml",
        path={"pretrain_network_g": "experiments/tiny/models/net_g_60.pth"},
        train=None,
        datasets={"train": None, "val": {"name": "held_out"}, "test_2": {"type": "NoiseDataset"}},
        val={"save_img": True},
    )
    assert evaluate(["-opt", str(path)]) == 0
    rows = Path("results/tiny/metrics.csv").read_text().splitlines()
    assert rows[0] == "dataset,image,psnr"
    assert len(rows) == 1 + 10 + 3
    trained = next(line for line in told() if "val" in line)["val"]["psnr"]
    values = [float(row.split(",")[2]) for row in rows if row.startswith("held_out")]
    assert sum(values) / 3 == pytest.approx(trained)
    assert Path("results/tiny/visualization/held_out/item_0_tiny.png").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_ends_with_the_same_bits(tiny, workers):
    changes = {"train": {"ema_decay": 0.9, "accumulate": 2, "total_iter": 7},
               "network_g": {"use_norm": True}}  # fmt: skip
    train(tiny(name="whole", **changes))
    train(tiny(**changes), "--force_yml", "train:total_iter=4")
    loader = {"num_worker_per_gpu": workers, "prefetch_factor": 3}
    train(tiny(datasets={"train": loader}, **changes), "--auto_resume")
    assert_same(weights(7), weights(7, "whole"))
    assert_same(weights(7, key="params_ema"), weights(7, "whole", key="params_ema"))
    assert losses() == losses("whole")


@pytest.mark.parametrize(("function", "at"), [("fsync", 1), ("replace", 5), ("replace", 6)])
def test_a_run_killed_while_it_writes_goes_on_exactly(tiny, run_python, function, at):
    path = tiny(logger={"save_checkpoint_freq": 1}, datasets={"train": {"num_worker_per_gpu": 2}})
    script = Path(__file__).parent.parent / "support" / "kill_at.py"
    killed = run_python(str(script), function, str(at), "-opt", str(path))
    assert killed.returncode == -signal.SIGKILL
    train(path, "--auto_resume")
    train(tiny("whole.yml", name="whole"))
    assert_same(weights(8), weights(8, "whole"))
    assert not list(Path("experiments/tiny").rglob("*.partial"))


def test_a_run_killed_again_and_again_ends_with_the_same_bits(tiny):
    slow = {"train": {"seconds": 0.03, "num_worker_per_gpu": 2}}
    path = tiny(datasets=slow, train={"total_iter": 40}, logger={"save_checkpoint_freq": 1})
    command = [sys.executable, "-m", "smoothkit.train", "-opt", str(path), "--auto_resume"]
    kills = 0
    for delay in (0.11, 0.37, 0.73, 0.29):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        before = newest_state()
        while newest_state() <= before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(delay)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 3
    assert train(path, "--auto_resume") == 0
    train(tiny("whole.yml", name="whole", train={"total_iter": 40}))
    assert_same(weights(40), weights(40, "whole"))
    assert losses() == losses("whole")


def newest_state() -> int:
    names = [p.stem for p in Path("experiments/tiny/training_states").glob("[0-9]*.state")]
    return max(map(int, names), default=0)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_group_saves_at_the_end_of_the_iteration(tiny, number, code, workers):
    path = tiny(
        datasets={"train": {"seconds": 0.05, "num_worker_per_gpu": workers}},
        train={"total_iter": 1000},
        logger={"save_checkpoint_freq": 1000},
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "smoothkit.train", "-opt", str(path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not Path("experiments/tiny/metrics.jsonl").exists() or not losses():
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, number)
    assert process.wait(60) == code
    assert newest_state() == max(losses())


def test_a_truncated_state_is_passed_over_with_a_warning(tiny, capfd):
    path = tiny()
    train(path)
    state = Path("experiments/tiny/training_states/8.state")
    state.write_bytes(state.read_bytes()[:500])
    before = weights(8)
    assert train(path, "--auto_resume") == 0
    assert "8.state: truncated" in capfd.readouterr().err
    assert_same(weights(8), before)


def test_a_state_whose_network_is_truncated_is_passed_over(tiny, capfd):
    path = tiny()
    train(path)
    network = Path("experiments/tiny/models/net_g_8.pth")
    network.write_bytes(network.read_bytes()[:500])
    assert train(path, "--auto_resume") == 0
    err = capfd.readouterr().err
    assert "net_g_8.pth: truncated" in err
    assert "Going on from iteration 4" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_clear_error_and_leaves_the_last_checkpoint(tiny, monkeypatch, capfd):
    path = tiny()
    train(path, "--force_yml", "train:total_iter=4")
    before = weights(4)
    original = open

    def full(file, mode="r", *args, **options):
        is_state = str(file).endswith(".partial") and "training_states" in str(file)
        return original("/dev/full" if is_state else file, mode, *args, **options)

    monkeypatch.setattr("builtins.open", full)
    assert train(path, "--auto_resume") == 2
    assert "the disk is full" in capfd.readouterr().err
    monkeypatch.undo()
    os.chdir(path.parent)
    assert newest_state() == 4
    assert_same(weights(4), before)
    assert train(path, "--auto_resume") == 0


def test_a_validation_that_a_kill_left_out_is_made_up_for_once(tiny):
    path = tiny()
    assert train(path) == 0
    file = Path("experiments/tiny/metrics.jsonl")
    lines = file.read_text().splitlines()
    assert '"val"' in lines[-1]
    file.write_text("\n".join(lines[:-1]) + "\n")
    for _ in range(2):
        assert train(path, "--auto_resume") == 0
        assert file.read_text().splitlines() == lines


@pytest.fixture
def defers(monkeypatch):
    """Models that hear of a loss a step later, as they do on a GPU."""
    prepare = RestorationModel._prepare_training

    def deferring(model: RestorationModel) -> None:
        prepare(model)
        assert model.updater.can_skip()
        model.guard.is_deferred = True

    monkeypatch.setattr(RestorationModel, "_prepare_training", deferring)


def assert_told_of_the_spoilt_step(capfd) -> None:
    message = capfd.readouterr().err.splitlines()[-1]
    assert "l_pixel not finite" in message
    assert "item_3.png" in message
    (saved,) = Path("experiments/tiny/diagnostics").glob("*_rank0.pth")
    content = torch.load(saved, weights_only=True)
    assert saved.name == f"{content['iter']}_rank0.pth"
    assert f"iteration {content['iter']}: " in message
    values = content["networks"]["net_g"]["params"].values()
    assert all(torch.isfinite(value).all() for value in values)
    assert any(torch.isnan(batch["gt"]).any() for batch in content["batches"])
    assert newest_state() < content["iter"]


def test_a_loss_that_is_not_finite_stops_and_saves_the_step(tiny, capfd):
    changes = {"logger": {"save_checkpoint_freq": 1}}
    assert train(tiny(datasets={"train": {"nan_at": 3}}, **changes)) == 2
    assert_told_of_the_spoilt_step(capfd)


@pytest.mark.parametrize("due", ["nothing", "print", "save", "validation", "end"])
def test_a_step_that_is_heard_of_late_is_told_as_well(tiny, defers, capfd, due):
    changes = {
        "train": {"optim_g": {"fused": True}, "total_iter": 5 if due == "end" else 8},
        "datasets": {"train": {"nan_at": 3}},
        "logger": {
            "print_freq": 1 if due == "print" else 100,
            "save_checkpoint_freq": 1 if due == "save" else 100,
        },
        "val": {"val_freq": 1 if due == "validation" else 100},
    }
    assert train(tiny(**changes)) == 2
    assert_told_of_the_spoilt_step(capfd)


def test_the_same_name_archives_the_older_run(tiny):
    path = tiny()
    train(path)
    train(path)
    assert len(list(Path("experiments").glob("tiny_archived_*"))) == 1
    assert len(losses()) == 8


def test_a_second_run_in_the_same_folder_is_refused(tiny, capfd):
    path = tiny(datasets={"train": {"seconds": 0.05}}, train={"total_iter": 1000})
    process = subprocess.Popen(
        [sys.executable, "-m", "smoothkit.train", "-opt", str(path)], stderr=subprocess.DEVNULL
    )
    try:
        while not Path("experiments/tiny/metrics.jsonl").exists():
            time.sleep(0.05)
            assert process.poll() is None
        assert train(path) == 2
        assert train(path, "--auto_resume") == 2
        assert "another run is using this folder" in capfd.readouterr().err
        assert not list(Path("experiments").glob("*_archived_*"))
    finally:
        process.kill()
        process.wait()


def test_total_iter_below_the_state_is_an_error(tiny, capfd):
    path = tiny()
    train(path)
    assert train(path, "--auto_resume", "--force_yml", "train:total_iter=4") == 2
    assert "stands at iteration 8" in capfd.readouterr().err


def test_frozen_statistics_stay_while_the_weights_move(tiny):
    changes = {"network_g": {"use_norm": True}, "logger": {"save_checkpoint_freq": 1}}
    train(tiny(train={"freeze_norm_iter": 2, "total_iter": 4}, **changes))
    second, fourth = weights(2), weights(4)
    name = "body.1.running_mean"
    assert not torch.equal(weights(1)[name], second[name])
    assert torch.equal(second[name], fourth[name])
    assert not torch.equal(second["body.1.weight"], fourth["body.1.weight"])


def test_only_the_newest_checkpoints_are_kept(tiny):
    train(tiny(logger={"save_checkpoint_freq": 2, "keep_checkpoints": 2}))
    names = {path.name for path in Path("experiments/tiny/models").iterdir()}
    assert names == {"net_g_6.pth", "net_g_8.pth", "net_g_latest.pth", "net_g_best.pth"}
    assert newest_state() == 8


def test_debug_reports_often_under_another_name(tiny):
    train(tiny(logger={"print_freq": 100}, val={"val_freq": 100}), "--debug")
    assert len(losses("debug_tiny")) == 8
    assert [line["iter"] for line in told("debug_tiny") if "val" in line] == [8]


def test_unusable_items_are_skipped_and_counted(tiny, capfd):
    loader = {"broken_at": 2, "bad_header_at": 5, "on_error": "skip"}
    assert train(tiny(datasets={"train": loader})) == 0
    err = capfd.readouterr().err
    assert "2 items could not be used and were skipped" in err
    assert train(tiny(name="strict", datasets={"train": {"broken_at": 2}})) == 2
    assert "item_2.png: cannot be decoded" in capfd.readouterr().err
    assert train(tiny(name="strict", datasets={"train": {"bad_header_at": 5}})) == 2
    assert "item_5.png: a broken header" in capfd.readouterr().err


def test_safetensors_are_written_and_loaded(tiny):
    train(tiny(logger={"save_safetensors": True}))
    path = "experiments/tiny/models/net_g_8.safetensors"
    assert Path(path).exists()
    test = tiny("test.yml", train=None, path={"pretrain_network_g": path}, datasets={"train": None})
    assert evaluate(["-opt", str(test)]) == 0


def test_epochs_are_resolved_once_the_loader_is_known(tiny):
    schedule = {"type": "MultiStepLR", "milestones": [1], "gamma": 0.1, "unit": "epoch"}
    train(tiny(train={"total_iter": None, "total_epochs": 2, "scheduler": schedule}))
    rates = {line["iter"]: line["lr"] for line in told() if "lr" in line}
    assert len(rates) == 10
    assert rates[5] == pytest.approx(0.01)
    assert rates[6] == pytest.approx(0.001)


def test_a_run_and_its_checkpoints_say_what_they_were_made_with(tiny):
    train(tiny(), "--force_yml", "train:total_iter=2")
    meta = torch.load("experiments/tiny/models/net_g_2.pth", weights_only=True)["meta"]
    made = meta["made_with"]
    assert (made["smoothkit"], made["torch"]) == (smoothkit.__version__, torch.__version__)
    assert meta["options"]["train"]["total_iter"] == 2
    first, *rest = Path("experiments/tiny/options.yml").read_text().splitlines()
    assert first.startswith(f"# Made with smoothkit {smoothkit.__version__}, ")
    assert yaml.safe_load("\n".join(rest)) == meta["options"]
