"""Random states in checkpoints."""

from __future__ import annotations

import random

import numpy as np
import torch

from smoothkit.core.seeds import (
    preserved_random_state,
    random_state,
    seed_everything,
    set_random_state,
)


def draws() -> tuple[float, float, float, float]:
    return random.random(), np.random.rand(), np.random.randn(), float(torch.rand(1))


def test_states_survive_a_weights_only_load(tmp_path):
    seed_everything(5)
    draws()
    torch.save(random_state(), tmp_path / "state")
    expected = draws()
    set_random_state(torch.load(tmp_path / "state", weights_only=True))
    assert draws() == expected


def test_what_a_validation_draws_is_not_missed_afterwards():
    seed_everything(5)
    expected = draws()
    seed_everything(5)
    with preserved_random_state():
        draws()
    assert draws() == expected
