"""Going on after the options or the folder changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from smoothkit.train import main as train_main
from support.runs import assert_same, told, weights

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
