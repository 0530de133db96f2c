"""Weights that a run starts from."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.core.errors import DataError
from smoothkit.models.load import load_network
from smoothkit.models.networks import load_pretrained


@pytest.fixture
def warned_of(tmp_path, caplog):
    """The warnings of loading weights with a ``meta`` for test sets of some options."""

    def load(meta: dict[str, Any] | None, label: str = "net_g", **datasets: Any) -> str:
        net = build_network({"type": "TinyNet"})
        content = {"params": net.state_dict()} if meta is None else {"params": net.state_dict(),
                                                                      "meta": meta}  # fmt: skip
        path = tmp_path / "weights.pth"
        torch.save(content, path)
        letter = label.removeprefix("net_")
        options = {"path": {f"pretrain_network_{letter}": str(path)}, "datasets": datasets}
        with caplog.at_level(logging.WARNING):
            load_pretrained(net, options, label)
        return caplog.text

    return load


SET = {"type": "SmoothingTestDataset", "dataroot_lq": "lq"}


@pytest.mark.parametrize(("held", "given"), [("rgb", "bgr"), ("bgr", "rgb")])
def test_weights_of_another_channel_order_than_the_data_are_told_of(warned_of, held, given):
    text = warned_of({"color": held}, test_1={**SET, "color": held}, test_2={**SET, "color": given})
    message = (
        f"weights.pth was trained with color: {held}, but datasets.test_2 gives color: {given}, "
        f"so that results are wrong. Set its 'color' to {held}."
    )
    assert message in text
    assert "test_1" not in text


def test_data_sets_without_the_option_give_rgb(warned_of):
    assert "datasets.test_1 gives color: rgb" in warned_of({"color": "bgr"}, test_1=SET)
    noise = {"type": "NoiseDataset"}
    assert "datasets.test_2 gives color: rgb" in warned_of({"color": "bgr"}, test_2=noise)


@pytest.mark.parametrize("meta", [None, {}, {"color": None}, {"color": ["bgr"]}, {"color": "rgb"}])
def test_nothing_is_told_where_orders_agree_or_the_file_does_not_say(warned_of, meta):
    assert warned_of(meta, test_1=SET) == ""


def test_other_networks_do_not_see_the_data_themselves(warned_of):
    assert warned_of({"color": "bgr"}, label="net_seg", test_1=SET) == ""


def test_a_name_that_is_too_little_to_build_a_network_points_to_an_option_file(tmp_path):
    torch.save({"params": {"a.weight": torch.ones(1)}}, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"EDSR: its name.*'num_in_ch', which.*-opt\).*type: EDSR"):
        load_network(tmp_path / "a.pth", "EDSR")
