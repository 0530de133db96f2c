"""The losses of the super-resolution experiments against recorded values and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from smoothkit.losses import build_loss
from smoothkit.systems.hggt_sr.loss import adapt_to_target, artifact_map, negative_maps
from support.fill import fill
from support.oracle import Case
from support.vgg import write_vgg19

GROUP = "hggt_posneg_sr"


@pytest.fixture(scope="module")
def negative() -> Case:
    return Case(GROUP, "loss_negative")


@pytest.mark.parametrize("positive_votes", [2, 3])
@pytest.mark.parametrize("negative_votes", [2, 3])
def test_maps_weigh_the_votes(negative: Case, positive_votes: int, negative_votes: int) -> None:
    images = (negative.tensor(key) for key in ("ori", "pos", "neg"))
    maps = negative_maps(*images, positive_votes, negative_votes)
    for value, key in zip(maps, ("pos", "neg", "refined"), strict=True):
        negative.close(value, f"map_p{positive_votes}n{negative_votes}/{key}")


def test_maps_with_other_windows_and_powers(negative: Case) -> None:
    images = (negative.tensor(key) for key in ("ori", "pos", "neg"))
    maps = negative_maps(*images, 2, 3, ksize=5, positive_power=0.5, negative_power=1.0)
    for value, key in zip(maps, ("pos", "neg", "refined"), strict=True):
        negative.close(value, f"alt/{key}")


def test_without_a_positive_the_refined_map_is_the_negatives(negative: Case) -> None:
    original, other = negative.tensor("ori"), negative.tensor("neg")
    maps = negative_maps(original, original, other, 3, 2)
    negative.close(maps.refined, "nopos/refined")
    assert torch.equal(maps.refined, maps.negative)


def test_negative_loss_and_its_gradient(negative: Case) -> None:
    """Of three samples the second has no negative and the third no positive."""
    ori, pos, neg, ori2, neg2 = (negative.tensor(k) for k in ("ori", "pos", "neg", "ori2", "neg2"))
    sr = negative.tensor("sr").requires_grad_()
    loss = build_loss({"type": "NegativeGTLoss"})(
        sr,
        torch.cat([neg, pos, neg2]),
        torch.cat([pos, ori, ori2]),
        torch.cat([ori, ori, ori2]),
        torch.tensor([2, 0, 3]),
        torch.tensor([3, 3, 3]),
        torch.tensor([3, 3, 3]),
    )
    loss.backward()
    negative.close(loss, "total")
    negative.close(sr.grad, "grad_sr")


def test_artifact_loss_lets_the_gradient_through_its_map() -> None:
    case = Case(GROUP, "loss_ldl")
    gt, ema = case.tensor("gt"), case.tensor("ema")
    for detach, key in ((False, "grad_sr"), (True, "grad_sr_if_map_detached")):
        sr = case.tensor("sr").requires_grad_()
        loss = build_loss({"type": "ArtifactLoss", "detach_map": detach})(sr, gt, ema)
        loss.backward()
        case.close(loss, "loss")
        case.close(sr.grad, key)
    case.close(artifact_map(gt, case.tensor("sr"), ema), "map")


def test_a_result_that_is_the_truth_has_a_gradient_of_zero() -> None:
    gt = torch.rand(1, 3, 16, 16)
    sr = gt.clone().requires_grad_()
    build_loss({"type": "ArtifactLoss"})(sr, gt, gt).backward()
    assert torch.equal(sr.grad, torch.zeros_like(gt))


@pytest.mark.parametrize("number", [0, 1])
def test_adatarget_moves_patches(number: int) -> None:
    case = Case(GROUP, "loss_adatarget")
    loss = build_loss({"type": "AdaTargetLoss", "network": {"type": "LocNet"}})
    net = loss.networks["loc"].train()
    state = fill(net.state_dict())
    state["layer4.weight"] *= 0.05
    state["layer4.bias"] += torch.tensor([1.0, 0, 0, 0, 1, 0])
    net.load_state_dict(state)
    gt, sr = case.tensor(f"gt{number}"), case.tensor(f"sr{number}").requires_grad_()
    value = loss(sr, gt)
    value.backward()
    case.close(value, f"loss{number}")
    case.close(sr.grad, f"grad_sr{number}")
    case.close(net.layer4.bias.grad, f"grad_layer4_bias{number}")
    case.close(net.layer1.bias.grad, f"grad_layer1_bias{number}")
    case.close(adapt_to_target(sr, gt, net), f"transformed{number}")


def test_other_losses() -> None:
    case = Case(GROUP, "loss_misc")
    sr, p, n = (case.tensor(key) for key in ("sr", "p", "n"))
    triplet = build_loss({"type": "TripletLoss", "loss_weight": 5, "margin": 0.1})
    swapped = build_loss({"type": "TripletLoss", "margin": 0})
    case.close([triplet(sr, p, n), swapped(sr, n, p)], "triplet")
    case.close(build_loss({"type": "AdaTargetLoss", "loss_weight": 0.7})(sr, p), "adatarget")


@pytest.mark.parametrize("kind", ["vanilla", "lsgan", "wgan", "wgan_softplus", "hinge"])
def test_the_adversarial_loss_is_basicsrs(kind: str) -> None:
    case = Case(GROUP, "loss_misc")
    loss = build_loss({"type": "GANLoss", "gan_type": kind, "loss_weight": 0.1})
    logits = case.tensor("logits")
    values = [
        loss(logits, True, is_disc=False),
        loss(logits, True, is_disc=True),
        loss(logits, False, is_disc=True),
    ]
    case.close(values, f"gan/{kind}")


def perceptual(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """BasicSR's loss with the recorded options and backbone."""
    write_vgg19(folder / "checkpoints/vgg19-dcbb9e9d.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    return build_loss({**Case(GROUP, "loss_misc").meta["options"], **options})


def test_the_perceptual_loss_is_basicsrs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(GROUP, "loss_misc")
    image = case.tensor("px").requires_grad_()
    value, style = perceptual(tmp_path, monkeypatch)(image, case.tensor("py"))
    value.backward()
    case.close(value, "percep")
    case.close(image.grad, "grad_px")
    assert style is None


def test_squared_perceptual_differences_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(GROUP, "loss_misc")
    loss = perceptual(tmp_path, monkeypatch, criterion="l2", style_weight=2)
    case.close(torch.stack(loss(case.tensor("px"), case.tensor("py"))), "percep_style_l2")
