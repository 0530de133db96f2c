"""Parameters in groups."""

from __future__ import annotations

import pytest
from torch import nn

from smoothkit.core.errors import OptionError
from smoothkit.models.groups import in_groups
from smoothkit.models.optim import build_optimizer, optimizer_faults


def net() -> nn.Module:
    return nn.ModuleDict(
        {
            "conv": nn.Conv2d(1, 2, 1),
            "down": nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2)),
            "norm": nn.LayerNorm(2),
        }
    )


def test_names_and_kinds_of_layers_pick_parameters():
    for rule, count in (({"names": ["norm"]}, 2), ({"norms": True}, 4)):
        rest, own = in_groups(net(), [{**rule, "weight_decay": 0.5}], "groups")
        assert (len(own["params"]), len(rest["params"])) == (count, 7 - count)
        assert own["weight_decay"] == 0.5
        assert set(rest) == {"params"}


def test_the_first_group_that_fits_counts():
    groups = in_groups(net(), [{"names": ["conv.bias"], "lr": 1}, {"names": ["conv"]}], "groups")
    assert [len(group["params"]) for group in groups] == [5 - 0, 1, 1]


def test_frozen_parameters_are_in_no_group():
    frozen = net()
    frozen["conv"].requires_grad_(False)
    with pytest.raises(OptionError, match=r"groups\[0\]: no parameter of the network"):
        in_groups(frozen, [{"names": ["conv"]}], "groups")


def test_an_optimizer_has_each_groups_options():
    section = {"type": "SGD", "lr": 1.0, "groups": [{"norms": True, "lr": 0.5}]}
    assert optimizer_faults(section, "train.optim_g") == []
    built = build_optimizer(in_groups(net(), section["groups"], "g"), section, "train.optim_g")
    assert [group["lr"] for group in built.param_groups] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("bn", "must be a list of sections"),
        ([{"names": "bn"}], "groups[0]: must be a section whose 'names' is a list of texts"),
        ([{"names": [1]}], "groups[0]: must be a section whose 'names' is a list of texts"),
        ([{"names": ["bn"]}, 3], "groups[1]: must be a section"),
        ([{"norms": True, "names": ["a"]}], "groups[0]: needs either 'names'"),
        ([{"norms": True, "weight_deca": 1}], "groups[0].weight_deca: SGD takes no such option."),
    ],
)
def test_faults_of_groups_are_named(groups, message):
    found = optimizer_faults({"type": "SGD", "lr": 1.0, "groups": groups}, "train.optim_g")
    assert any(message in f"{fault.where}: {fault.message}" for fault in found)
