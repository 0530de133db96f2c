"""Going on after the options or the folder changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from smoothkit.train import main as train_main
from support.runs import assert_same, losses, told, weights

EXPERIMENT = Path("experiments/tiny")


def train(path: Path, *args: str) -> int:
    return train_main(["-opt", str(path), *args])


def test_auto_resume_without_states_keeps_the_trained_networks(tiny):
    path = tiny()
    train(path)
    before = weights(8)
    shutil.rmtree(EXPERIMENT / "training_states")
    assert train(path, "--auto_resume", "--force_yml", "manual_seed=7") == 0
    (kept,) = Path("experiments").glob("tiny_archived_*")
    assert_same(weights(8, kept.name), before)
    assert [line["iter"] for line in told(kept.name) if "lr" in line][-1] == 8


def test_a_state_of_another_run_does_not_go_on_with_what_stands_in_the_folder(tiny):
    train(tiny("other.yml", name="other", train={"total_iter": 4}))
    train(tiny())
    before = weights(8)
    state = "path:resume_state=experiments/other/training_states/4.state"
    assert train(tiny(), "--force_yml", state) == 0
    (kept,) = Path("experiments").glob("tiny_archived_*")
    assert_same(weights(8, kept.name), before)


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW", "NAdam"])
def test_a_state_of_another_optimiser_is_refused_in_one_line(tiny, capfd, optimizer):
    train(tiny(train={"total_iter": 4}))
    assert train(tiny(train={"optim_g": {"type": optimizer}}), "--auto_resume") == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert f"train.optim_g.type: is {optimizer}, but the state to go on from was saved with" in last
    assert "pretrain_network_g" in last


def test_an_edited_weight_decay_counts_from_the_resume_on_and_is_told(tiny, capfd):
    train(tiny(train={"total_iter": 4}))
    train(tiny(train={"optim_g": {"weight_decay": 0.5}}), "--auto_resume")
    assert "train.optim_g: weight_decay is 0.5, was 0" in capfd.readouterr().err
    state = torch.load(EXPERIMENT / "training_states/8.state", weights_only=True)
    assert state["optimizers"][0]["param_groups"][0]["weight_decay"] == 0.5


def test_an_edited_schedule_goes_on_as_if_it_had_held_from_the_start(tiny, capfd):
    schedule = {"type": "MultiStepLR", "milestones": [2, 6], "gamma": 0.1}
    whole = {"optim_g": {"lr": 0.02}, "scheduler": schedule}
    train(tiny(name="whole", train=whole))
    train(tiny(train={"total_iter": 4}))
    train(tiny(train=whole), "--auto_resume")
    err = capfd.readouterr().err
    assert "lr is 0.02, was 0.01" in err
    assert "train.scheduler: is not that of the state" in err
    rates = {line["iter"]: line["lr"] for line in told() if "lr" in line}
    wanted = {line["iter"]: line["lr"] for line in told("whole") if "lr" in line}
    assert {n: rates[n] for n in range(5, 9)} == {n: wanted[n] for n in range(5, 9)}


def test_a_momentum_that_the_schedule_moves_is_not_taken_for_an_edited_one(tiny, capfd):
    cycle = {"type": "OneCycleLR", "max_lr": 0.02, "total_steps": 20}
    sgd = {"type": "SGD", "momentum": 0.9, "lr": 0.01}
    train(tiny(train={"total_iter": 4, "optim_g": sgd, "scheduler": cycle}))
    capfd.readouterr()
    assert train(tiny(train={"optim_g": sgd, "scheduler": cycle}), "--auto_resume") == 0
    assert "when the state was saved" not in capfd.readouterr().err


def test_a_failing_validation_leaves_the_state_of_the_iteration_that_it_came_after(tiny, capfd):
    train(tiny(name="whole", val={"val_freq": 3}))
    failing = {"val": {"broken_at": 1}}
    assert train(tiny(val={"val_freq": 3}, datasets=failing), "--force_yml", "manual_seed=1") == 2
    err = capfd.readouterr().err.splitlines()
    assert "saved at iteration 3. Go on with: python -m smoothkit.train -opt" in err[-2]
    assert "--auto_resume --force_yml manual_seed=1" in err[-2]
    assert err[-1].endswith("item_1.png: cannot be decoded.")
    assert train(tiny(val={"val_freq": 3}), "--auto_resume") == 0
    assert_same(weights(8), weights(8, "whole"))
    assert told() == told("whole")


def test_pictures_that_cannot_be_written_leave_a_state_too(tiny):
    folder = EXPERIMENT / "visualization"
    path = tiny(val={"val_freq": 3, "save_img": True})
    assert train(path, "--force_yml", "train:total_iter=2", "val:val_freq=~") == 0
    folder.write_text("")
    assert train(path, "--auto_resume") == 2
    assert (EXPERIMENT / "training_states/3.state").exists()
    folder.unlink()
    assert train(path, "--auto_resume") == 0


def test_a_killed_worker_leaves_a_state_from_which_the_run_ends_the_same(tiny):
    slow = {"train": {"seconds": 0.1, "num_worker_per_gpu": 1, "prefetch_factor": 1}}
    changes = {"train": {"total_iter": 40}, "logger": {"save_checkpoint_freq": 1000}}
    path = tiny(datasets=slow, **changes)
    process = subprocess.Popen(
        [sys.executable, "-m", "smoothkit.train", "-opt", str(path)], stderr=subprocess.PIPE
    )
    wait_for_losses(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    last = process.communicate(timeout=120)[1].decode().splitlines()[-1]
    assert process.returncode == 2
    assert last.startswith("num_worker_per_gpu: a data worker was killed")
    assert max(losses()) < 40
    assert (EXPERIMENT / f"training_states/{max(losses())}.state").exists()
    assert train(tiny(**changes), "--auto_resume") == 0
    train(tiny(name="whole", **changes))
    assert_same(weights(40), weights(40, "whole"))


def test_a_signal_while_waiting_for_data_saves_at_once(tiny):
    slow = {"train": {"seconds": 0.1, "stuck_at": 3, "num_worker_per_gpu": 1}}
    path = tiny(datasets=slow, train={"total_iter": 99}, logger={"save_checkpoint_freq": 1000})
    process = subprocess.Popen(
        [sys.executable, "-m", "smoothkit.train", "-opt", str(path)], stderr=subprocess.PIPE
    )
    wait_for_losses(process)
    time.sleep(3)
    process.terminate()
    err = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 143
    assert f"Go on with: python -m smoothkit.train -opt {path} --auto_resume" in err
    assert (EXPERIMENT / f"training_states/{max(losses())}.state").exists()


def test_a_signal_while_validating_is_answered_between_two_images(tiny):
    slow = {"train": {}, "val": {"length": 100, "seconds": 0.2}}
    path = tiny(datasets=slow, val={"val_freq": 3}, logger={"save_checkpoint_freq": 1000})
    process = subprocess.Popen([sys.executable, "-m", "smoothkit.train", "-opt", str(path)])
    while not (EXPERIMENT / "metrics.jsonl").exists() or max(losses(), default=0) < 3:
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(1)
    process.terminate()
    assert process.wait(timeout=10) == 143
    assert (EXPERIMENT / "training_states/3.state").exists()
    assert not [line for line in told() if "val" in line]


def wait_for_losses(process: subprocess.Popen[bytes]) -> None:
    while not (EXPERIMENT / "metrics.jsonl").exists() or not losses():
        time.sleep(0.05)
        assert process.poll() is None


def test_after_going_back_the_run_goes_on_in_its_new_line(tiny, capfd):
    every = {"logger": {"save_checkpoint_freq": 1}}
    train(tiny(**every, train={"total_iter": 6}))
    back = f"path:resume_state={EXPERIMENT}/training_states/2.state"
    train(tiny(**every), "--force_yml", back, "train:total_iter=2")
    for _ in range(2):  # before anything is saved in the new line, and after
        capfd.readouterr()
        assert train(tiny(**every, train={"total_iter": 3}), "--auto_resume") == 0
    assert "Going on from iteration 3." in capfd.readouterr().err
    state = torch.load(EXPERIMENT / "training_states/3.state", weights_only=True)
    assert state["parent"] == 2
    train(tiny(logger={"keep_checkpoints": 1, "save_checkpoint_freq": 1},
               train={"total_iter": 4}), "--auto_resume")  # fmt: skip
    assert [path.name for path in (EXPERIMENT / "training_states").glob("*.state")] == ["4.state"]


def test_the_best_network_outlives_the_checkpoints_and_a_resume(tiny):
    # A rate that spoils what was learnt, so that the first validation stays the best.
    changes = {"val": {"val_freq": 2}, "logger": {"keep_checkpoints": 1, "save_checkpoint_freq": 2}}
    first = {**changes, "train": {"total_iter": 2}}
    train(tiny(**first))
    kept = weights("best")
    assert_same(kept, weights(2))
    train(tiny(**changes, train={"optim_g": {"lr": 10.0}}), "--auto_resume")
    assert not (EXPERIMENT / "models/net_g_2.pth").exists()
    assert_same(weights("best"), kept)
    value = next(line["val"]["psnr"] for line in told() if "val" in line)
    best = weights("best", key="meta")["best"]
    assert best == {"metric": "psnr", "value": value, "iter": 2, "dataset": "held_out"}


def test_each_metric_that_is_named_keeps_a_best_network(tiny, capfd):
    metrics = {"psnr": {"type": "psnr"}, "off": {"type": "psnr", "better": "lower"}}
    train(tiny(val={"val_freq": 1, "metrics": metrics, "save_best": ["psnr", "off"]}))
    values = [line["val"]["psnr"] for line in told() if "val" in line]
    for name, value in (("psnr", max(values)), ("off", min(values))):
        assert weights(f"best_{name}", key="meta")["best"]["value"] == value
    assert not (EXPERIMENT / "models/net_g_best.pth").exists()
    train(tiny(name="none", val={"save_best": False}))
    assert not Path("experiments/none/models/net_g_best.pth").exists()
    assert train(tiny(val={"save_best": "pnsr"})) == 2
    message = "val.save_best: must name metrics of val.metrics (psnr), got 'pnsr'."
    assert message in capfd.readouterr().err


def test_frequencies_may_count_epochs(tiny):
    train(tiny(val={"val_freq": 2, "unit": "epoch"}, train={"total_iter": 13},
               logger={"save_checkpoint_freq": 1, "unit": "epoch"}))  # fmt: skip
    assert [line["iter"] for line in told() if "val" in line] == [10, 13]
    names = {path.stem for path in (EXPERIMENT / "training_states").glob("*.state")}
    assert names == {"5", "10", "13"}
