"""The model that draws negatives, and the draw."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core.errors import OptionError
from smoothkit.engine.check import _model_faults
from smoothkit.models import build_model
from smoothkit.systems.csgis.model import SemanticSmoothingModel
from smoothkit.systems.csgis.negatives import NegativeOptions, draw, negatives_of

OPTIONS = {
    "model_type": "SemanticSmoothingModel",
    "num_gpu": 0,
    "network_g": {"type": "TinyNet"},
    "negatives": {"source": "input"},
    "train": {
        "optim_g": {"type": "SGD", "lr": 0.1},
        "pixel_opt": {"type": "L1Loss"},
        "grey_opt": {"type": "GreyTripletLoss"},
    },
}


def batch(count: int = 4, seed: int = 0, **left_out: None) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = {key: torch.rand(count, 3, 8, 8, generator=generator) for key in ("lq", "gt", "over")}
    return {key: value for key, value in made.items() if key not in left_out}


def model(train: dict | None = None, **negatives: str) -> SemanticSmoothingModel:
    return build_model(
        {**OPTIONS, "negatives": negatives, "train": {**OPTIONS["train"], **(train or {})}}
    )


def test_the_draw_is_one_uniform_number_that_favours_neither() -> None:
    torch.manual_seed(3)
    numbers = torch.rand(1000)
    torch.manual_seed(3)
    draws = torch.stack([draw(NegativeOptions(), 2) for _ in range(1000)])
    assert torch.equal(draws[:, 0, 0], numbers < 0.5)
    assert torch.equal(draws[:, 0], draws[:, 1])
    assert 450 < draws[:, 0].sum() < 550


def test_a_draw_per_sample_differs_within_a_batch_and_repeats_with_its_seed() -> None:
    options = NegativeOptions("either", "sample")
    first, second = (draw(options, 64, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert 0 < first.sum() < 64


@pytest.mark.parametrize("source", ["input", "over", "both"])
def test_what_is_not_random_takes_no_random_numbers(source: str) -> None:
    state = torch.get_rng_state()
    draw(NegativeOptions(source), 3)
    assert torch.equal(state, torch.get_rng_state())


def test_negatives_are_the_images_drawn() -> None:
    data = batch(3)
    mixed = negatives_of(data, torch.tensor([[True], [False], [True]]))
    wanted = torch.stack([data["over"][0], data["lq"][1], data["over"][2]])
    assert torch.equal(mixed, wanted)
    for source, key in (("input", "lq"), ("over", "over")):
        assert torch.equal(negatives_of(data, draw(NegativeOptions(source), 3)), data[key])
    both = negatives_of(data, draw(NegativeOptions("both"), 3))
    assert torch.equal(both, torch.stack([data["lq"], data["over"]], 1))


def test_a_step_draws_once_for_all_its_losses() -> None:
    made = model({"ratio_opt": {"type": "ContrastRatioLoss", "weights": "random"}})
    torch.manual_seed(0)
    made.feed_data(batch())
    made.optimize_parameters(1)
    state = torch.get_rng_state()
    torch.manual_seed(0)
    torch.rand(1)
    assert torch.equal(state, torch.get_rng_state())
    assert list(made.get_current_log()) == ["l_pixel", "l_grey", "l_ratio", "l_total"]


def test_nothing_is_drawn_where_no_loss_reads_it() -> None:
    made = model({"grey_opt": {"type": "L1Loss"}}, source="either")
    state = torch.get_rng_state()
    assert set(made.pick_targets(batch(over=None))) == {"gt"}
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("source", ["over", "either", "both"])
def test_a_training_set_without_over_smoothed_images_is_named(source: str) -> None:
    made = model(source=source)
    made.feed_data(batch(over=None))
    message = rf"datasets.train.dataroot_over: is missing: negatives.source '{source}' needs"
    with pytest.raises(OptionError, match=message):
        made.optimize_parameters(1)


def test_the_input_as_negative_needs_no_further_images() -> None:
    made = model(source="input")
    data = batch(over=None)
    assert torch.equal(made.pick_targets(data)["negative"], data["lq"])


def test_wrong_negatives_are_refused_with_and_without_a_check() -> None:
    section = {"source": "none", "each": "sample"}
    with pytest.raises(OptionError, match=r"negatives.source: must be one of 'input', 'over'"):
        model(**section)
    faults = _model_faults(SemanticSmoothingModel, {"negatives": section})
    assert [fault.where for fault in faults] == ["negatives.source", "negatives.each"]


def test_accumulated_parts_add_up_to_the_whole_batch() -> None:
    style = {"type": "StyleTripletLoss", "weights": "random"}
    train = {"style_opt": style, "loss_reduction": "global"}
    whole, parts = (model(train, source="over") for _ in range(2))
    parts.net.load_state_dict(whole.net.state_dict())
    data = batch(4)
    whole.feed_data(data)
    for half in (slice(0, 2), slice(2, 4)):
        parts.feed_data({name: value[half] for name, value in data.items()})
    for made in (whole, parts):
        made.optimize_parameters(1)
    logs = [made.get_current_log() for made in (whole, parts)]
    assert logs[0]["l_style"] == pytest.approx(logs[1]["l_style"], rel=1e-6)
    for key, value in whole.net.state_dict().items():
        torch.testing.assert_close(value, parts.net.state_dict()[key], rtol=1e-5, atol=1e-7)


def test_testing_reads_no_weights_of_losses() -> None:
    train = {**OPTIONS["train"], "style_opt": {"type": "StyleTripletLoss", "weights": "none.pth"}}
    options = {**OPTIONS, "train": train}
    with pytest.raises(OptionError, match=r"^train.style_opt.weights: none.pth: no such file of w"):
        build_model(options)
    made = build_model({**options, "is_train": False})
    made.feed_data(batch(over=None))
    made.test()
    assert made.get_current_visuals()["result"].shape == (4, 3, 8, 8)
