"""A step that is not finite changes nothing, also where the host hears of it a step later."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core.optimizer_state import load_optimizer, options_of
from smoothkit.core.runtime import Runtime
from smoothkit.models import build_model
from smoothkit.models.guard import Guard, NonFiniteError, step_unless

OPTIONS = {
    "num_gpu": 0,
    "network_g": {"type": "TinyNet"},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train": {
        "ema_decay": 0.5,
        "optim_g": {"type": "AdamW", "lr": 0.1, "fused": True},
        "optim_d": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "fused": True},
        "pixel_opt": {"type": "L1Loss"},
        "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "target": "other"},
    },
}


def batch(*, spoilt: str = "") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = {name: torch.rand(2, 3, 8, 8, generator=generator) for name in ("lq", "gt", "other")}
    if spoilt:
        images[spoilt][0, 0, 0, 0] = float("nan")
    return images


def deferring_model():
    """A model that does on the CPU what it does on a GPU."""
    torch.manual_seed(0)
    model = build_model(OPTIONS)
    assert not model.guard.is_deferred
    model.guard.is_deferred = True
    return model


def weights(model) -> list[torch.Tensor]:
    nets = (model.net, model.ema.net, model.critic.net)
    return [value.detach().clone() for net in nets for value in net.parameters()]


def step(model, number: int, data: dict[str, torch.Tensor]) -> None:
    model.feed_data(data)
    model.optimize_parameters(number)


def test_steps_are_those_that_raise_at_once():
    deferring, prompt = deferring_model(), deferring_model()
    prompt.guard.is_deferred = False
    for number in (1, 2, 3):
        step(deferring, number, batch())
        step(prompt, number, batch())
    deferring.settle()
    assert all(torch.equal(*pair) for pair in zip(weights(deferring), weights(prompt), strict=True))


# 'other' is only looked at by the discriminator, when the generator's losses are known already.
@pytest.mark.parametrize(("spoilt", "name"), [("gt", "l_pixel"), ("other", "l_d_real")])
def test_the_next_step_tells_and_no_weight_of_any_network_has_changed(spoilt, name):
    model = deferring_model()
    step(model, 1, batch())
    before = weights(model)
    step(model, 2, batch(spoilt=spoilt))
    assert all(torch.equal(*pair) for pair in zip(before, weights(model), strict=True))
    with pytest.raises(NonFiniteError) as caught:
        step(model, 3, batch())
    assert caught.value.is_late
    assert caught.value.names == [name]
    assert all(torch.equal(*pair) for pair in zip(before, weights(model), strict=True))


@pytest.mark.gpu
def test_a_gpu_keeps_the_weights_by_itself(device):
    model = build_model({**OPTIONS, "num_gpu": 1}, Runtime(device))
    assert model.guard.is_deferred == (device.type == "cuda")
    step(model, 1, batch())
    before = weights(model)
    model.guard.is_deferred = True
    step(model, 2, batch(spoilt="gt"))
    assert all(torch.equal(*pair) for pair in zip(before, weights(model), strict=True))
    with pytest.raises(NonFiniteError, match="l_pixel"):
        model.settle()


def test_settling_tells_of_the_last_step():
    model = deferring_model()
    step(model, 1, batch(spoilt="gt"))
    with pytest.raises(NonFiniteError) as caught:
        model.settle()
    assert not caught.value.is_late
    assert caught.value.names == ["l_pixel"]


def test_a_statistic_that_is_not_finite_stays_out_of_the_average():
    model = deferring_model()
    model.net.register_buffer("mean", torch.tensor(float("nan")))
    model.ema.net.register_buffer("mean", torch.tensor(1.0))
    model.ema.update(model.net, torch.tensor(1.0))
    assert model.ema.net.mean.item() == 1


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "SGD", "Adagrad"])
def test_a_skipped_step_leaves_the_state_of_the_optimiser(kind):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = getattr(torch.optim, kind)([weight], lr=0.1, fused=True)
    weight.grad = torch.ones(3)
    step_unless(optimizer, torch.tensor(0.0))
    assert weight[0] < 1
    held = [weight.detach().clone(), *(v.clone() for v in optimizer.state[weight].values())]
    weight.grad = torch.full((3,), float("nan"))
    step_unless(optimizer, torch.tensor(1.0))
    now = [weight, *optimizer.state[weight].values()]
    assert all(torch.equal(*pair) for pair in zip(held, now, strict=True))


@pytest.mark.parametrize("kind", ["RMSprop", "Adadelta"])
def test_an_optimiser_without_a_fused_form_cannot_skip(kind):
    options = {**OPTIONS["train"], "optim_g": {"type": kind, "lr": 0.1}}
    assert not build_model({**OPTIONS, "train": options}).updater.can_skip()


def test_a_state_of_another_implementation_goes_on_with_that_of_this_machine():
    weight = torch.nn.Parameter(torch.ones(3))
    plain, fused = torch.optim.Adam([weight]), torch.optim.Adam([weight], fused=True)
    weight.grad = torch.ones(3)
    plain.step()
    load_optimizer(fused, plain.state_dict(), options_of(fused), options_of(plain), "train.optim_g")
    assert fused.param_groups[0]["fused"]
    step_unless(fused, torch.tensor(0.0))
    assert fused.state[weight]["step"] == 2


def test_flags_of_several_looks_count_together():
    guard = Guard(torch.device("cpu"), is_deferred=True)
    guard.look({"l_a": torch.tensor(float("inf")), "l_total": torch.tensor(float("inf"))})
    guard.look({"l_b": torch.tensor(1.0)})
    guard.open()
    assert guard.skip == 1
    with pytest.raises(NonFiniteError, match=r"not finite: l_a$"):
        guard.settle()
