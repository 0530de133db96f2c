"""Two gloo processes under torchrun against one process with the doubled batch."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from smoothkit.test import main as evaluate
from smoothkit.train import main as train_main
from support.runs import assert_same, losses, told, weights

TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone")


def close(first, second):
    assert first.keys() == second.keys()
    for iteration, value in first.items():
        assert value == pytest.approx(second[iteration], rel=2e-5), iteration


def both(tiny, run_python, **changes):
    """Losses of one process with batch 4 and of two with batch 2 each."""
    single = tiny("one.yml", name="one", datasets={"train": {"batch_size_per_gpu": 4}}, **changes)
    assert train_main(["-opt", str(single)]) == 0
    pair = tiny(**changes)
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(pair))
    assert done.returncode == 0, done.stderr
    return losses("one"), losses()


def test_means_over_samples_agree(tiny, run_python):
    close(*both(tiny, run_python, train={"find_unused_parameters": True}))
    validations = [line["val"] for line in told() if "val" in line]
    assert validations[0]["psnr"] == pytest.approx(
        next(line["val"] for line in told("one") if "val" in line)["psnr"], rel=1e-5
    )


def test_the_edge_sum_agrees_under_global_reduction(tiny, run_python):
    edge = {"type": "BalancedEdgeLoss", "loss_weight": 0.001}
    close(*both(tiny, run_python, train={"edge_opt": edge, "loss_reduction": "global"}))


def test_a_run_of_two_processes_resumes_exactly(tiny, run_python):
    changes = {"train": {"find_unused_parameters": True}}
    whole, part = tiny("whole.yml", name="whole", **changes), tiny(**changes)
    command = (*TORCHRUN, "-m", "smoothkit.train", "--launcher", "pytorch", "-opt")
    assert run_python(*command, str(whole)).returncode == 0
    stop = ("--force_yml", "train:total_iter=4")
    assert run_python(*command, str(part), *stop).returncode == 0
    assert run_python(*command, str(part), "--auto_resume").returncode == 0
    assert_same(weights(8), weights(8, "whole"))


def test_one_process_with_a_bad_loss_stops_all(tiny, run_python):
    path = tiny(datasets={"train": {"nan_at": 3}}, train={"find_unused_parameters": True})
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(path))
    assert done.returncode != 0
    assert done.stderr.count("l_pixel not finite. Files: ") == 1
    assert "item_3.png" in done.stderr
    assert len(list(Path("experiments/tiny/diagnostics").iterdir())) == 1


def test_torchrun_tests_too(tiny, run_python):
    path = tiny(train=None, datasets={"train": None})
    done = run_python(*TORCHRUN, "-m", "smoothkit.test", "-opt", str(path))
    assert done.returncode == 0, done.stderr


def test_accumulation_equals_the_large_batch(tiny):
    edge = {"type": "BalancedEdgeLoss", "loss_weight": 0.001}
    changes = {"edge_opt": edge, "loss_reduction": "global"}
    large = tiny("large.yml", name="large", train=changes,
                 datasets={"train": {"batch_size_per_gpu": 6}})  # fmt: skip
    small = tiny(train={**changes, "accumulate": 3})
    assert train_main(["-opt", str(large)]) == train_main(["-opt", str(small)]) == 0
    close(losses("large"), losses())


def test_slurm_without_its_variables_is_an_error(tiny, capfd):
    assert train_main(["-opt", str(tiny()), "--launcher", "slurm"]) == 2
    assert "Start with srun" in capfd.readouterr().err


def test_averaged_networks_are_the_same_in_every_process(tiny, run_python):
    changes = {"train": {"find_unused_parameters": True, "ema_decay": 0.9},
               "network_g": {"use_norm": True}}  # fmt: skip
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(tiny(**changes)))
    assert done.returncode == 0, done.stderr
    # Images are shared out: the second one was measured by the second process's average.
    shared = next(line["val"] for line in told() if "val" in line)
    path = tiny(
        "test.yml",
        train=None,
        datasets={"train": None},
        path={"pretrain_network_g": "experiments/tiny/models/net_g_8.pth"},
    )
    assert evaluate(["-opt", str(path)]) == 0
    alone = json.loads(Path("results/tiny/metrics.json").read_text())["held_out"]["psnr"]["mean"]
    assert shared["psnr"] == pytest.approx(alone, rel=1e-6)


def one_and_two(tmp_path, run_python, module, *words):
    """What a program of ``support`` writes alone, and as two processes."""
    folders = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    for name, launcher in (("one", ()), ("two", TORCHRUN)):
        command = [*launcher, "-m", f"support.{module}", str(tmp_path / name), *words]
        done = run_python(*command, env=environment)
        assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one", "two"))
    for net in ("g", "d"):
        for key, value in one[net].items():
            torch.testing.assert_close(two[net][key], value, rtol=1e-4, atol=1e-6)
    assert [list(line) for line in one["logs"]] == [list(line) for line in two["logs"]]
    for first, second in zip(one["logs"], two["logs"], strict=True):
        assert second == pytest.approx(first, rel=1e-4, abs=1e-6)
    return one["logs"]


@pytest.mark.parametrize("negatives", ["0,1", "3", ""], ids=lambda n: f"of {n or 'none'}")
def test_negatives_may_be_missing_in_some_processes(tmp_path, run_python, negatives):
    """Every process takes part in every message, whatever its samples are."""
    logs = one_and_two(tmp_path, run_python, "sr_steps", negatives)
    assert (logs[0]["l_negative"] == 0) == (not negatives)


def test_enhancement_learns_in_two_processes_as_in_one(tmp_path, run_python):
    logs = one_and_two(tmp_path, run_python, "enhance_steps")
    assert {"l_pixel", "l_gan", "l_d_real", "l_d_fake"} <= set(logs[0])


def test_a_fault_that_all_processes_find_is_told_once(tiny, run_python):
    path = tiny(train={"optim_g": {"wrong": 1}})
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(path))
    assert done.stderr.count("train.optim_g.wrong: ") == 1


def test_a_validation_that_fails_in_one_process_stops_all_with_a_state(tiny, run_python):
    # Not the first item of the second process, which is tried before the run.
    path = tiny(datasets={"val": {"broken_at": 3, "length": 4}}, val={"val_freq": 3},
                train={"find_unused_parameters": True})  # fmt: skip
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(path))
    assert done.returncode != 0
    assert done.stderr.count("item_3.png: cannot be decoded.") == 1
    assert "saved at iteration 3. Go on with: " in done.stderr
    assert Path("experiments/tiny/training_states/3.state").exists()


def test_a_validation_that_would_fail_in_one_process_ends_all_before_the_run(tiny, run_python):
    path = tiny(datasets={"val": {"broken_at": 1}}, train={"find_unused_parameters": True})
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(path))
    assert done.returncode != 0
    assert done.stderr.count("item_1.png: cannot be decoded.") == 1
    assert not Path("experiments/tiny/options.yml").exists()


def test_test_results_are_told_once_and_skipped_items_of_all_processes_counted(tiny, run_python):
    path = tiny(train=None, datasets={"train": None, "val": {"name": "pairs"}})
    done = run_python(*TORCHRUN, "-m", "smoothkit.test", "-opt", str(path))
    assert done.stderr.count("pairs: psnr") == 1, done.stderr
    skipping = {"train": {"broken_at": 2, "on_error": "skip"}}
    path = tiny(datasets=skipping, train={"find_unused_parameters": True})
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(path))
    assert "1 items could not be used and were skipped." in done.stderr


FAILING = """
import os

from torch import nn

from smoothkit.core.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class FailingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 3, 3, padding=1)
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.steps == 4 and os.environ["RANK"] == "1":
            raise KeyError("only here")
        return self.body(x)
"""


def test_a_step_that_fails_in_one_process_ends_all_soon_and_is_told(tiny, run_python, tmp_path):
    (tmp_path / "systems/failing").mkdir(parents=True)
    (tmp_path / "systems/failing/__init__.py").write_text("")
    (tmp_path / "systems/failing/arch.py").write_text(FAILING)
    systems = os.pathsep.join([str(tmp_path / "systems"), os.environ["SMOOTHKIT_SYSTEMS"]])
    path = tiny(network_g={"type": "FailingNet"}, logger={"save_checkpoint_freq": 2})
    # The timeout is that of the test: a process that waits for the other does so for half an hour.
    done = run_python(*TORCHRUN, "-m", "smoothkit.train", "-opt", str(path), timeout=90,
                      env={**os.environ, "SMOOTHKIT_SYSTEMS": systems})  # fmt: skip
    assert done.returncode != 0
    assert "[rank1]: KeyError: 'only here'" in done.stderr
    assert max(losses()) == 3
    states = Path("experiments/tiny/training_states")
    assert [state.name for state in states.glob("*.state")] == ["2.state"]
