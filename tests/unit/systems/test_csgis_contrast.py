"""The contrastive losses: hinges, several negatives, parts of a batch, weights."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from smoothkit.archs.vgg import Vgg16Features, load_vgg16
from smoothkit.core.errors import OptionError
from smoothkit.losses import build_loss
from smoothkit.models.step import build_terms
from smoothkit.systems.csgis.contrast import gram, hinge

SECTIONS = {
    "grey": {"type": "GreyTripletLoss"},
    "style": {"type": "StyleTripletLoss", "weights": "random"},
    "ratio": {"type": "ContrastRatioLoss", "weights": "random"},
}


@pytest.fixture(scope="module")
def losses() -> dict[str, nn.Module]:
    return {name: build_loss(section) for name, section in SECTIONS.items()}


def images(count: int = 4, size: int = 12, seed: int = 0, dtype=torch.float32) -> list[Tensor]:
    """``pred``, ``gt`` and two negatives."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(count, 3, size, size, generator=generator, dtype=dtype) for _ in range(4)]


def test_the_grey_triplet_by_hand() -> None:
    flat = [torch.full((2, 3, 4, 4), v) for v in (0.5, 0.3, 0.6)]
    loss = build_loss({"type": "GreyTripletLoss", "loss_weight": 2.0, "margin": 0.25})
    assert loss(*flat).item() == pytest.approx(2 * (0.2 - 0.1 + 0.25))


def test_the_grey_triplet_sees_no_colour() -> None:
    pred = torch.rand(1, 3, 4, 4)
    rolled = pred.roll(1, dims=1)
    loss = build_loss({"type": "GreyTripletLoss"})
    assert loss(pred, rolled, rolled).item() == pytest.approx(0.3)


def test_the_gram_matrix_by_hand() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).view(1, 2, 1, 2)
    assert gram(features)[0].tolist() == [[5 / 4, 1 / 4], [1 / 4, 10 / 4]]


@pytest.mark.parametrize("margin", [0.0, 0.1], ids=["at its corner", "beyond it"])
def test_no_gradient_passes_an_inactive_hinge(margin: float) -> None:
    distances = torch.tensor([0.2, 0.2 + margin], requires_grad=True)
    value = hinge(distances, 0.0)
    value.backward()
    assert value == 0
    assert distances.grad.tolist() == [0, 0]


@pytest.mark.parametrize("name", SECTIONS)
def test_several_negatives_are_the_mean_of_single_ones(losses, name: str) -> None:
    pred, gt, first, second = images()
    loss = losses[name]
    both = loss(pred, gt, torch.stack([first, second], 1))
    single = (loss(pred, gt, first) + loss(pred, gt, second)) / 2
    torch.testing.assert_close(both, single, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", SECTIONS)
def test_gradients_reach_the_prediction_only(losses, name: str) -> None:
    pred, gt, negative, _ = (image.requires_grad_() for image in images())
    losses[name](pred, gt, negative).backward()
    assert pred.grad.abs().max() > 0
    assert gt.grad is negative.grad is None
    assert all(p.grad is None for p in losses[name].parameters())


@pytest.mark.parametrize(("name", "expected"), [("grey", 0.3), ("style", 0.04), ("ratio", None)])
def test_values_where_images_are_equal(losses, name: str, expected: float | None) -> None:
    pred, gt, negative, _ = images()
    loss = losses[name]
    if expected is None:
        assert loss(gt, gt, negative) == 0
    else:  # nothing but the margin
        assert loss(pred, gt, gt).item() == pytest.approx(expected)
        assert loss(gt, gt, negative) < expected


@pytest.mark.parametrize("name", SECTIONS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    loss = build_loss(SECTIONS[name]).double()
    pred, gt, negative, _ = images(1, 8, dtype=torch.float64)

    def at_corner(corner: Tensor) -> Tensor:
        whole = pred.clone()
        whole[:, :, 3:5, 3:4] = corner
        return loss(whole, gt, negative)

    corner = pred[:, :, 3:5, 3:4].clone().requires_grad_()
    assert torch.autograd.gradcheck(at_corner, (corner,), eps=1e-7, atol=1e-6)


def test_style_parts_with_counts_add_up_to_the_whole(losses) -> None:
    pred, gt, negative, _ = images(4)
    loss = losses["style"]
    counts = loss.counts(gt)
    parts = [loss(*(v[part] for v in (pred, gt, negative)), counts=counts)
             for part in (slice(0, 1), slice(1, 4))]  # fmt: skip
    assert counts == 4
    torch.testing.assert_close(sum(parts), loss(pred, gt, negative), rtol=1e-6, atol=0)


def test_only_the_style_distance_is_a_sum_over_samples(losses) -> None:
    assert {name: loss.additive for name, loss in losses.items()} == {
        "grey": False,
        "style": True,
        "ratio": False,
    }


@pytest.mark.parametrize("name", SECTIONS)
def test_negatives_of_another_shape_are_refused(losses, name: str) -> None:
    pred, gt, negative, _ = images()
    with pytest.raises(ValueError, match=r"negative: must have the shape of gt, \(4, 3, 12, 12\)"):
        losses[name](pred, gt, negative[:1])


def test_images_too_small_for_the_deepest_layer_are_refused(losses) -> None:
    with pytest.raises(ValueError, match=r"layer 22 of VGG-16 needs at least 8 x 8 .* got 7 x 7"):
        losses["ratio"](*images(1, 7)[:3])


def test_nothing_behind_the_last_tap_is_built() -> None:
    net = Vgg16Features((3, 8))
    assert len(net.features) == 9
    with pytest.raises(ValueError, match=r"taps: must ascend from 0 to 30, got \[8, 3\]"):
        Vgg16Features((8, 3))


def test_features_are_those_of_torchvision() -> None:
    net = load_vgg16((2, 3, 22), "random")
    theirs = torchvision.models.vgg16(weights=None).features[:23]
    theirs.load_state_dict(net.features.state_dict())
    x = images(1, 16)[0]
    found = net(x)
    for index, layer in enumerate(theirs):
        x = layer(x)
        if index in net.taps:
            torch.testing.assert_close(found.pop(0), x, rtol=1e-5, atol=1e-6)
    assert not found


def test_normalized_images_have_the_statistics_of_imagenet() -> None:
    plain, normal = (load_vgg16((3,), "random", normalize=flag) for flag in (False, True))
    image = images(1)[0]
    shifted = (image - plain.mean) / plain.std
    torch.testing.assert_close(normal(image), plain(shifted))


def test_random_weights_are_the_same_each_time_and_leave_the_run_alone(caplog) -> None:
    state = torch.get_rng_state()
    with caplog.at_level(logging.WARNING):
        first, second = (build_loss(SECTIONS["style"]) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    assert "weights: random). Published figures need ImageNet's." in caplog.text


def test_missing_weights_say_where_to_put_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    message = r"weights: vgg16-397923af.pth: no such weights here, .* Give the file as 'weights', "
    with pytest.raises(OptionError, match=rf"^train.style_opt.{message}or experiments"):
        build_terms({"style_opt": {"type": "StyleTripletLoss"}})
    with pytest.raises(OptionError, match=r"^train.a_opt.weights: absent.pth: no such file of wei"):
        build_terms({"a_opt": {"type": "ContrastRatioLoss", "weights": "absent.pth"}})


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(1)}, path)
    with pytest.raises(OptionError, match=r"weights: .*other.pth: not weights of this Vgg16Feat"):
        build_loss({"type": "StyleTripletLoss", "weights": str(path)})


def test_a_whole_published_file_serves_and_its_classifier_is_left_out(tmp_path: Path) -> None:
    net = load_vgg16((29,), "random")
    path = tmp_path / "vgg16.pth"
    torch.save({**net.state_dict(), "classifier.0.bias": torch.zeros(4096)}, path)
    loss = build_loss({"type": "StyleTripletLoss", "weights": str(path)})
    assert torch.equal(loss.vgg.features[7].weight, net.features[7].weight)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(OptionError, match="Did you mean 'margin'"):
        build_loss({"type": "GreyTripletLoss", "margins": 0.3})
