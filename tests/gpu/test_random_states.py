"""Random states of the accelerator: kept in checkpoints, and moved by nothing that should not."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import Dataset

from smoothkit.core.seeds import (
    preserved_random_state,
    random_state,
    seed_everything,
    set_random_state,
)
from smoothkit.data.loader import Sampled
from smoothkit.losses import build_loss

pytestmark = pytest.mark.gpu


@pytest.fixture
def draw(device: torch.device):
    """Four random numbers of the device's generator."""
    seed_everything(5)
    return lambda: torch.rand(4, device=device).tolist()


def test_states_survive_a_weights_only_load(tmp_path, draw, device):
    draw()
    torch.save(random_state(device), tmp_path / "state")
    expected = draw()
    assert draw() != expected
    loaded = torch.load(tmp_path / "state", map_location="cpu", weights_only=True)
    set_random_state(loaded, device)
    assert draw() == expected


def test_what_a_validation_draws_is_not_missed_afterwards(draw, device):
    expected = draw()
    seed_everything(5)
    with preserved_random_state(device):
        draw()
    assert draw() == expected


class Foreign(Dataset):
    """A data set of somebody else's, which draws from the global generators."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"lq": torch.rand(1)}


@pytest.mark.parametrize(
    "disturb",
    [
        lambda: Sampled(Foreign())[0],
        lambda: build_loss(
            {
                "type": "SegmentationLoss",
                "network": {"type": "DeepLabV3Plus"},
                "weights": "random",
            }
        ),
        lambda: build_loss({"type": "StyleTripletLoss", "weights": "random"}),
    ],
    ids=["a foreign data set", "a frozen network", "frozen features"],
)
def test_random_parts_on_the_cpu_leave_the_device_s_generator_alone(disturb, draw):
    expected = draw(), draw()
    seed_everything(5)
    first = draw()
    disturb()
    assert (first, draw()) == expected
