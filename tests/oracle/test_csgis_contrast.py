"""The contrastive losses of CSGIS-Net against recorded values and gradients."""

from __future__ import annotations

import pytest
import torch

from smoothkit.losses import build_loss
from smoothkit.systems.csgis.contrast import grey_distances, references
from support.oracle import Case
from support.rounding import put
from support.vgg import write_vgg16

# Recorded value -> the loss, and whether it compares features.
LOSSES = {
    "const1": ("GreyTripletLoss", False),
    "const2": ("StyleTripletLoss", True),
    "cr": ("ContrastRatioLoss", True),
}

# Here pred and gt have the same feature but for rounding, 6e-8 of 0.27. In the recording none was
# left, and |a - b| passes no gradient there.
LAST_TAP, EQUAL = 22, (0, 474, 1, 0)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case("smoothing", "loss_contrast")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("vgg") / "vgg16-397923af.pth"
    write_vgg16(path)
    return str(path)


def built(name: str, weights: str) -> torch.nn.Module:
    """The loss with its defaults, which are the published ones."""
    kind, compares_features = LOSSES[name]
    return build_loss({"type": kind, **({"weights": weights} if compares_features else {})})


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("negative", ["ob", "ov"])
def test_loss_and_gradient_match_the_reference(
    case: Case, weights: str, name: str, negative: str
) -> None:
    loss = built(name, weights).double()
    gt, other = (case.tensor(key).double() for key in ("gt", negative))
    pred = case.tensor("pred").double().requires_grad_()
    if (name, negative) == ("cr", "ov"):
        put(loss.vgg.features[LAST_TAP], EQUAL, lambda _: loss.vgg(gt)[-1][EQUAL])
    value = loss(pred, gt, other)
    case.close(value, f"{name}_{negative}")
    if f"grad_{name}_{negative}" in case.arrays:
        value.backward()
        case.close(pred.grad, f"grad_{name}_{negative}")


def test_style_distances_match_the_reference(case: Case, weights: str) -> None:
    """Without the fixture's absolute tolerance, which is as large as a part of them."""
    loss = built("const2", weights)
    both = torch.stack([case.tensor("ob"), case.tensor("ov")], 1)
    distances = loss.distances(case.tensor("pred"), case.tensor("gt"), both)
    for value, key in zip(distances.tolist(), ("style_pos", "style_ob", "style_ov"), strict=True):
        assert value == pytest.approx(case[key].item(), rel=case.rtol, abs=0)


def test_grey_distances_match_the_reference(case: Case) -> None:
    both = torch.stack([case.tensor("ob"), case.tensor("ov")], 1)
    distances = grey_distances(case.tensor("pred"), references(case.tensor("gt"), both))
    for value, key in zip(distances, ("dist1_pos", "dist1_ob", "dist1_ov"), strict=True):
        case.close(value, key)


def test_an_inactive_hinge_is_zero_without_gradient(case: Case) -> None:
    pred = case.tensor("gt").requires_grad_()
    loss = build_loss({"type": "GreyTripletLoss", "margin": 0.0})
    value = loss(pred, case.tensor("gt"), case.tensor("ob"))
    case.close(value, "const1_hinge_off")
    value.backward()
    assert not pred.grad.any()


def test_the_style_gradient_is_that_of_the_reference_relative_to_its_size(
    case: Case, weights: str
) -> None:
    pred = case.tensor("pred").requires_grad_()
    built("const2", weights)(pred, case.tensor("gt"), case.tensor("ov")).backward()
    recorded = case.tensor("grad_const2_ov")
    assert (pred.grad - recorded).norm() < case.rtol * recorded.norm()
