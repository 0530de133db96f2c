"""What losses need of model and training set, found by name before a training."""

from __future__ import annotations

from typing import Any

import pytest

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.core.options import read_options
from smoothkit.engine.check import check

PAIRS = {"type": "BlendedPairDataset", "dataroot": "pairs", "length": None}
ONLINE = {"type": "OnlineBlendDataset", "dataroot_gt": "gt", "dataroot_texture": "tx"}
EDGES = {"type": "BalancedEdgeLoss"}


def found(path) -> list[str]:
    return [f"{fault.where}: {fault.message}" for fault in check(read_options(path)).faults]


@pytest.mark.parametrize(
    ("section", "option"),
    [(PAIRS, "dataroot_edge"), ({**ONLINE, "edge": False, "length": None}, "edge")],
)
def test_an_option_without_which_items_lack_what_losses_read_is_asked_for(tiny, section, option):
    losses = {"edge_opt": EDGES, "tv_opt": {"type": "DistinctiveTVLoss"}}
    path = tiny(datasets={"train": section}, train=losses)
    assert found(path) == [
        f"datasets.train.{option}: must be set: 'edge' is read by train.edge_opt and "
        "train.tv_opt. Set it, or leave that out."
    ]
    given: dict[str, Any] = {**section, option: "edge" if option != "edge" else True}
    assert found(tiny(datasets={"train": given}, train=losses)) == []


def test_faults_that_a_section_has_by_itself_come_first(tiny):
    path = tiny(datasets={"train": {**PAIRS, "dataroot": 3}}, train={"edge_opt": EDGES})
    assert found(path) == ["datasets.train.dataroot: must be a text, got 3."]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"type": "L1Loss", "inputs": "pred"}, "inputs: must be a list of (a text), got 'pred'."),
        ({"type": "L1Loss", "pred": None}, "pred: must be a text, got "),
        ({"type": "SquaredTVLoss", "target": "gt"}, "target: SquaredTVLoss reads pred only. Remo"),
    ],
)
def test_names_of_values_have_to_be_such(tiny, section, message):
    (fault,) = found(tiny(train={"a_opt": section}))
    assert fault.startswith(f"train.a_opt.{message}")


def test_a_value_that_another_model_makes_is_a_fault_once_the_data_are_open(tiny, capfd):
    path = tiny(train={"grey_opt": {"type": "GreyTripletLoss"}})
    assert smoothkit_main(["check", "-opt", str(path)]) == 2
    message = "train.grey_opt: reads 'negative', which the training set does not have. Set model_t"
    assert f"{message}ype: SemanticSmoothingModel, which gives it" in capfd.readouterr().err
    other = tiny(model_type="SemanticSmoothingModel", negatives={"source": "input"})
    assert smoothkit_main(["check", "-opt", str(other)]) == 0
