"""The model's step: terms, targets, accumulation, averages."""

from __future__ import annotations

import copy

import pytest
import torch

from smoothkit.core.errors import OptionError
from smoothkit.models import build_model
from smoothkit.models.ema import Ema
from smoothkit.models.guard import NonFiniteError
from smoothkit.models.step import Step, build_terms

OPTIONS = {
    "num_gpu": 0,
    "network_g": {"type": "TinyNet"},
    "train": {
        "optim_g": {"type": "SGD", "lr": 0.1},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 2.0},
        "edge_opt": {"type": "BalancedEdgeLoss", "loss_weight": 0.01},
    },
}


def batch(count=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lq, gt = (torch.rand(count, 3, 8, 8, generator=generator) for _ in range(2))
    return {"lq": lq, "gt": gt, "edge": (gt[:, :1] > 0.6).byte(), "lq_path": ["a.png"] * count}


def test_a_term_reads_what_its_section_names():
    terms = build_terms({"a_opt": {"type": "L1Loss", "pred": "coarse", "target": "sharp"}})
    step = Step({}, {"coarse": torch.ones(1, 1, 2, 2)}, {"sharp": torch.zeros(1, 1, 2, 2)})
    assert terms["a"](step) == 1
    with pytest.raises(OptionError, match=r"train.a_opt: this step has no 'coarse'; it has pred"):
        terms["a"](Step({}, {"pred": torch.ones(1)}, {"sharp": torch.zeros(1)}))


def test_options_given_to_a_model_stay_as_they_are():
    before = repr(OPTIONS)
    model = build_model(OPTIONS)
    model.feed_data(batch())
    model.optimize_parameters(1)
    assert repr(OPTIONS) == before


def test_the_total_is_the_sum_of_what_is_logged():
    model = build_model(OPTIONS)
    model.feed_data(batch())
    model.optimize_parameters(1)
    logs = model.get_current_log()
    assert list(logs) == ["l_pixel", "l_edge", "l_total"]
    assert logs["l_total"] == pytest.approx(logs["l_pixel"] + logs["l_edge"])


@pytest.mark.parametrize("reduction", ["local", "global"])
def test_only_global_reduction_makes_parts_of_a_batch_add_up(reduction):
    options = {**OPTIONS, "train": {**OPTIONS["train"], "loss_reduction": reduction}}
    whole, parts = build_model(options), build_model(options)
    parts.net.load_state_dict(whole.net.state_dict())
    data = batch(4)
    whole.feed_data(data)
    for half in (slice(0, 1), slice(1, 2), slice(2, 3), slice(3, 4)):
        parts.feed_data({name: value[half] for name, value in data.items()})
    for model in (whole, parts):
        model.optimize_parameters(1)
    edges = [model.get_current_log()["l_edge"] for model in (whole, parts)]
    assert (edges[0] == pytest.approx(edges[1], rel=1e-5)) == (reduction == "global")
    same = torch.allclose(whole.net.edge.weight, parts.net.edge.weight, atol=1e-7)
    assert same == (reduction == "global")


def test_a_count_over_data_that_a_batch_lacks_names_its_section():
    model = build_model({**OPTIONS, "train": {**OPTIONS["train"], "loss_reduction": "global"}})
    model.feed_data({name: value for name, value in batch().items() if name != "edge"})
    with pytest.raises(
        OptionError, match=r"train.edge_opt: this step has no 'edge'; it has gt, lq"
    ):
        model.optimize_parameters(1)


def test_a_bad_loss_changes_no_weight():
    model = build_model(OPTIONS)
    before = {k: v.clone() for k, v in model.net.state_dict().items()}
    data = batch()
    data["gt"][0, 0, 0, 0] = float("nan")
    model.feed_data(data)
    with pytest.raises(NonFiniteError) as caught:
        model.optimize_parameters(1)
    assert caught.value.names == ["l_pixel"]
    assert all(torch.equal(before[k], v) for k, v in model.net.state_dict().items())


def test_testing_uses_the_averaged_network_and_leaves_the_mode_alone():
    model = build_model({**OPTIONS, "train": {**OPTIONS["train"], "ema_decay": 0.5}})
    model.net.train()
    with torch.no_grad():
        model.ema.net.body[-1].bias.fill_(9.0)
    model.feed_data(batch(1))
    model.test()
    visuals = model.get_current_visuals()
    assert torch.equal(visuals["result"], torch.ones_like(visuals["gt"]))
    assert model.net.training
    assert not model._batches


def test_the_average_takes_statistics_and_counters_along():
    net = torch.nn.BatchNorm2d(2)
    ema = Ema(net, 0.75)
    net.running_mean.fill_(4.0)
    net.num_batches_tracked.fill_(3)
    ema.update(net)
    assert ema.net.running_mean.tolist() == [1.0, 1.0]
    assert ema.net.num_batches_tracked == 3


def test_a_model_saves_by_itself_only_with_folders():
    with pytest.raises(ValueError, match="without folders"):
        build_model(OPTIONS).save(0, 1)


def test_layout_and_a_fused_optimiser_change_only_the_rounding():
    """In float64, where 20 steps of Adam do not yet blow rounding up to what losses show."""
    sections = {"pixel_opt": {"type": "L1Loss"}, "ssim_opt": {"type": "MultiScaleSSIMLoss"}}
    train = {"optim_g": {"type": "Adam", "lr": 1e-3, "fused": True}, "channels_last": True}
    net = {"type": "JESSNet", "dim": 8, "num_block": 1}
    model = build_model({"num_gpu": 0, "network_g": net, "train": {**train, **sections}})
    plain = copy.deepcopy(model.net).double().train()
    model.net.double()
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)
    terms = build_terms(sections)
    for seed in range(20):
        data = {k: v.double() for k, v in batch(seed=seed).items() if k in ("lq", "gt")}
        model.feed_data(data)
        model.optimize_parameters(seed)
        optimizer.zero_grad()
        step = Step(data, plain.named(plain(data["lq"])), {"gt": data["gt"]})
        loss = sum(term(step) for term in terms.values())
        loss.backward()
        optimizer.step()
        assert model.get_current_log()["l_total"] == pytest.approx(loss.item(), rel=1e-6)


def test_a_discriminator_that_is_not_finite_leaves_all_weights_alone():
    gan = {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1, "target": "other"}
    train = {**OPTIONS["train"], "optim_d": {"type": "SGD", "lr": 0.1}, "gan_opt": gan}
    critic = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
    model = build_model({**OPTIONS, "network_d": critic, "train": train})
    nets = (model.net, model.critic.net)
    before = [value.clone() for net in nets for value in net.parameters()]
    given = batch()  # with an image that only the discriminator looks at
    model.feed_data({**given, "other": torch.full_like(given["gt"], float("inf"))})
    with pytest.raises(NonFiniteError, match="l_d_real"):
        model.optimize_parameters(1)
    after = [value for net in nets for value in net.parameters()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
