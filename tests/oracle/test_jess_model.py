"""The recorded training steps, through the model that option files train."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from smoothkit.models import build_model
from support.fill import fill
from support.oracle import Case
from support.rounding import TURNED, to_float64, turn_relus

OPTIONS = Path(__file__).parents[2] / "options" / "train" / "jess"
FILES = {
    "train_e2h_hdc": "train_HDC.yml",
    "train_e2h_hdc_edge": "train_HDC_edge.yml",
    "train_e2h_hdc_edge_refine": "train_JESSNet.yml",
}
# Our terms by the reference's components, which hold their weights.
PARTS = {"loss_L1": ("l_pixel", "l_coarse"), "loss_mSSIM": ("l_ssim", "l_coarse_ssim"),
         "loss_edge": ("l_edge",)}  # fmt: skip


def options_of(case: Case, file: str) -> dict:
    """The shipped option file with the recorded network's size."""
    options = yaml.safe_load((OPTIONS / file).read_text())
    options["network_g"] = {"type": case.meta["class"], **case.meta["kwargs"]}
    return {**options, "num_gpu": 0}


def batch_of(case: Case) -> dict[str, torch.Tensor]:
    return {
        "lq": case.tensor("batch_OB"),
        "gt": case.tensor("batch_GT"),
        "edge": case.tensor("batch_EG"),
    }


@pytest.mark.parametrize("name", FILES)
def test_the_preset_reference_makes_the_recorded_step(name):
    case = Case("smoothing", name)
    model = build_model(options_of(case, FILES[name]))
    model.net.load_state_dict(fill(model.net.state_dict()))
    turn_relus(model.net, TURNED.get(name, {}))
    batch = to_float64(model, batch_of(case))
    model.update_learning_rate(1)
    model.feed_data(batch)
    model.optimize_parameters(1)
    logs = model.get_current_log()
    case.close(logs["l_total"], "loss_total")
    for component, parts in PARTS.items():
        if component in case.arrays:
            case.close(sum(logs[part] for part in parts if part in logs), component)
    after = model.net.state_dict()
    for key in case.arrays:
        if key.startswith("after/"):
            case.close(after[key.removeprefix("after/")], key)
