"""The matting losses and a whole training step against recorded values."""

from __future__ import annotations

import json

import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.losses import build_loss
from smoothkit.models.groups import in_groups
from support.fill import fill
from support.oracle import FIXTURES, Case

GROUP = "matting"
LOSSES = [
    ("multiscale", {"type": "MattingMultiscaleLoss"}),
    ("clamped", {"type": "MattingClampedLoss"}),
    ("clamped_l2", {"type": "MattingClampedLoss", "squares": 0.25}),
    ("simple", {"type": "MattingL1Loss", "counts_known": True}),
    ("weight_1", {"type": "MattingWeightedLoss"}),
    ("weight_4", {"type": "MattingWeightedLoss", "power": 4.0}),
    ("weight_inverse_1", {"type": "MattingWeightedLoss", "inverse": True}),
    ("weight_inverse_4", {"type": "MattingWeightedLoss", "power": 4.0, "inverse": True}),
]


def unit(case: Case, name: str) -> torch.Tensor:
    """A recorded array of bytes in [0, 1]."""
    return case.tensor(name).double() / 255


def cropped(case: Case) -> list[torch.Tensor]:
    """Prediction, alpha and trimap of the small losses."""
    pred = case.tensor("pred").double()[:1, :, :32, :32].clone().requires_grad_()
    return [pred, *(unit(case, name)[:1, :, :32, :32] for name in ("alpha", "trimap"))]


def check(case: Case, name: str, loss: torch.Tensor, by: torch.Tensor) -> None:
    assert loss.item() == pytest.approx(float(case[f"loss_{name}"]), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, by)
    expected = case.tensor(f"grad_{name}").double()
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("name", "options"), LOSSES, ids=lambda value: str(value))
def test_a_loss_has_the_recorded_value_and_gradient(name: str, options: dict) -> None:
    case = Case(GROUP, "losses")
    pred = case.tensor("pred").double().requires_grad_()
    loss = build_loss(options)(pred, unit(case, "alpha"), unit(case, "trimap"))
    check(case, name, loss, pred)


def test_alpha_and_composition_terms_agree() -> None:
    case = Case(GROUP, "losses")
    pred, alpha, trimap = cropped(case)
    check(case, "gen_alpha", build_loss({"type": "MattingL1Loss"})(pred, alpha, trimap), pred)
    images = [unit(case, name) for name in ("fg", "bg", "img")]
    loss = build_loss({"type": "MattingCompositionLoss"})(pred, alpha, trimap, *images)
    check(case, "gen_comp", loss, pred)
    whole = [case.tensor("pred").double(), unit(case, "alpha"), unit(case, "trimap")]
    value = build_loss({"type": "MattingL1Loss"})(*whole).item()
    assert value == pytest.approx(float(case["loss_gen_alpha_pred"]), rel=1e-5)


def test_the_class_loss_agrees() -> None:
    case = Case(GROUP, "losses")
    _, alpha, trimap = cropped(case)
    logits = case.tensor("three").double().requires_grad_()
    loss = build_loss({"type": "MattingClassLoss"})(logits, alpha, trimap)
    check(case, "cross_entropy", loss, logits)


def test_without_unknown_pixels_the_training_loss_is_zero() -> None:
    case = Case(GROUP, "losses")
    pred = case.tensor("pred").double().requires_grad_()
    trimap = torch.zeros_like(pred)
    loss = build_loss({"type": "MattingMultiscaleLoss"})(pred, unit(case, "alpha"), trimap)
    loss.backward()
    assert loss.item() == 0
    assert pred.grad.abs().max() == 0


def test_a_whole_training_step_agrees() -> None:
    case = Case(GROUP, "train_step")
    net = build_network({"type": "LsaNet"})
    net.load_state_dict(fill(net.state_dict()))
    alpha, trimap = (case.tensor(name).float() / 255 for name in ("alpha", "trimap"))
    fg, bg = case.tensor("fg").float(), case.tensor("bg").float()
    pred = net(torch.cat([fg * alpha + bg * (1 - alpha), trimap], 1))
    torch.testing.assert_close(pred.detach(), case.tensor("pred"), rtol=0, atol=2e-5)
    loss = build_loss({"type": "MattingMultiscaleLoss"})(pred, alpha, trimap)
    assert loss.item() == pytest.approx(float(case["loss"]), rel=1e-5)
    loss.backward()
    parameters = dict(net.named_parameters())
    norms = [parameters[name].grad.norm().item() for name in case.meta["grad_norm_names"]]
    assert norms == pytest.approx(case["grad_norms"].tolist(), rel=5e-3)
    stem = net.backbone.stem[0].conv.weight.grad[:4]
    scale = stem.abs().max().item()
    torch.testing.assert_close(stem, case.tensor("grad_stem_ch3"), rtol=5e-3, atol=5e-3 * scale)
    first, last = net.backbone.stem[0].bn, net.decoder.decoder_1.norm1
    torch.testing.assert_close(first.running_mean, case.tensor("running_mean_after"))
    torch.testing.assert_close(last.running_var, case.tensor("running_var_after"))


def test_parameters_are_grouped_as_published() -> None:
    with torch.device("meta"):
        net = build_network({"type": "LsaNet"})
    groups = in_groups(net, [{"names": ["norm", "bn"], "weight_decay": 1e-5}], "groups")
    names = {parameter: f"module.{name}" for name, parameter in net.named_parameters()}
    recorded = json.loads((FIXTURES / GROUP / "param_groups.json").read_text())
    for group, key in zip(groups, ("learning", "norm"), strict=True):
        assert sorted(names[p] for p in group["params"]) == sorted(recorded[key])
