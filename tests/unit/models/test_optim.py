"""Optimisers and schedules by name."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core.basicsr_compat import is_installed
from smoothkit.core.errors import OptionError
from smoothkit.models.optim import Schedule, build_optimizer, schedule_faults


def rates(section, iterations, **options):
    optimizer = build_optimizer(
        [torch.nn.Parameter(torch.zeros(1))], {"type": "SGD", "lr": 1.0}, "train.optim_g"
    )
    schedule = Schedule(optimizer, section, **options)
    found = []
    for iteration in range(1, iterations + 1):
        schedule.advance(iteration)
        optimizer.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_milestones_count_iterations_done():
    section = {"type": "MultiStepLR", "milestones": [2, 4], "gamma": 0.5}
    assert rates(section, 6) == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_epochs_step_the_schedule_once_a_pass():
    section = {"type": "MultiStepLR", "milestones": [1, 2], "gamma": 0.5, "unit": "epoch"}
    assert rates(section, 7, iters_per_epoch=3) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_the_presets_rate_drops_one_epoch_after_the_references_milestones():
    # Easy2Hard: epoch e, from 0, runs at 0.5 ** (number of milestones <= e - 1).
    section = {"type": "MultiStepLR", "milestones": [3, 5], "gamma": 0.5, "unit": "epoch"}
    reference = [0.5 ** sum(m <= e - 1 for m in (2, 4)) for e in range(7)]
    assert rates(section, 7, iters_per_epoch=1) == reference


def test_the_warm_up_rises_to_the_rate_and_leaves_the_schedule_alone():
    assert rates(None, 4, warmup_iter=2) == [0.5, 1, 1, 1]
    cosine = {"type": "CosineAnnealingLR", "T_max": 10}
    assert rates(cosine, 10, warmup_iter=5)[5:] == pytest.approx(rates(cosine, 10)[5:])


@pytest.mark.skipif(not is_installed(), reason="BasicSR is not installed here")
def test_basicsrs_restarts_are_known():
    section = {"type": "CosineAnnealingRestartLR", "periods": [2, 2], "restart_weights": [1, 1],
               "eta_min": 0}  # fmt: skip
    assert rates(section, 4) == pytest.approx([1, 0.5, 0, 0.5])
    multi = {"type": "MultiStepRestartLR", "milestones": [1], "gamma": 0.1}
    assert rates(multi, 3) == pytest.approx([1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"type": "MultiStepLR", "milestones": [1], "gama": 2}, "Did you mean 'gamma'"),
        ({"type": "MultiStepsLR"}, "Did you mean 'MultiStepLR'"),
        ({"type": "MultiStepLR"}, "needs 'milestones'"),
        ({"type": "StepLR", "step_size": 1, "unit": "week"}, "must be iter or epoch"),
    ],
)
def test_a_wrong_schedule_is_an_option_error(section, message):
    with pytest.raises(OptionError, match=message):
        rates(section, 1)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop", "Adamax", "RAdam"])
def test_any_optimiser_of_torch_by_name(name):
    params = [torch.nn.Parameter(torch.zeros(1))]
    assert type(build_optimizer(params, {"type": name, "lr": 0.1}, "x")).__name__ == name


ADAM = {"type": "Adam", "lr": 0.1}


def schedule_found(num_steps, **section):
    return [fault.message for fault in schedule_faults(section, ADAM, num_steps, "s")]


def test_periods_that_end_before_the_run_are_refused():
    cosine = {"type": "CosineAnnealingRestartLR", "restart_weights": [1, 1], "eta_min": 1e-7}
    assert schedule_found(4, **cosine, periods=[2, 2]) == []
    (message,) = schedule_found(5, **cosine, periods=[2, 2])
    assert message.startswith("sum to 4, but the run has 5 steps.")


def test_a_schedule_that_ends_before_the_run_is_refused():
    assert schedule_found(10, type="OneCycleLR", max_lr=0.1, total_steps=10) == []
    (message,) = schedule_found(11, type="OneCycleLR", max_lr=0.1, total_steps=10)
    assert message.startswith("OneCycleLR does not last to the end of the run, 11 steps: ")


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"type": "MultiStepRestartLR", "milestones": [2], "restarts": [0, 4]}, "do not match"),
        ({"type": "CosineAnnealingWarmRestarts", "T_0": -1}, "Expected positive"),
        ({"type": "LinearLR", "start_factor": 3}, "Starting multiplicative factor"),
    ],
)
def test_what_a_schedule_refuses_is_known_before_training(section, reason):
    (message,) = schedule_found(3, **section)
    assert message.startswith(f"{section['type']} refuses this: ")
    assert reason in message
