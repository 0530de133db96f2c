"""The loss of a segmentation network: labels, modes, and training with it."""

from __future__ import annotations

import logging
import math

import pytest
import torch

from smoothkit.core.options import read_options
from smoothkit.engine.check import check
from smoothkit.losses import build_loss
from smoothkit.models import build_model
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus
from smoothkit.systems.csgis.segmentation import LabelError, SegmentationLoss
from support.csgis import MEAN, STD, TEACHER, filled_teacher, segmented_batch, write_teacher


@pytest.fixture(scope="module")
def net() -> DeepLabV3Plus:
    return filled_teacher()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """Of a network that was trained on several devices."""
    path = tmp_path_factory.mktemp("weights") / "best.pth"
    write_teacher(path, num_classes=4, prefix="module.")
    return str(path)


def model_with(**section):
    """A small model that trains with this loss and no other."""
    train = {"optim_g": {"type": "SGD", "lr": 0.1}, "optim_seg": {"type": "SGD", "lr": 0.1}}
    loss = {"type": "SegmentationLoss", "network": TEACHER, **section}
    return {
        "num_gpu": 0,
        "network_g": {"type": "TinyNet"},
        "train": {**train, "pixel_opt": {"type": "L1Loss"}, "seg_opt": loss},
    }


def stepped(options, data, *, start=None):
    model = build_model(options)
    if start is not None:
        model.net.load_state_dict(start)
    model.feed_data(data)
    model.optimize_parameters(1)
    return model


# Labels.


def test_pixels_that_are_ignored_do_not_count():
    logits = torch.zeros(1, 4, 2, 2)
    logits[0, 3, 0] = 9.0
    mask = torch.tensor([[[255, 255], [1, 2]]], dtype=torch.uint8)
    assert SegmentationLoss()(logits, mask).item() == pytest.approx(math.log(4))
    assert SegmentationLoss(loss_weight=2.0, ignore_index=1)(
        torch.zeros(1, 4, 1, 2), torch.tensor([[[1, 3]]])
    ).item() == pytest.approx(2 * math.log(4))


def test_a_mask_without_a_pixel_that_counts_gives_zero_with_a_gradient_of_zero():
    logits = torch.randn(1, 4, 3, 3, requires_grad=True)
    value = SegmentationLoss()(logits, torch.full((1, 3, 3), 255))
    value.backward()
    assert value == 0
    assert torch.equal(logits.grad, torch.zeros(1, 4, 3, 3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int32])
def test_masks_come_with_and_without_a_channel(dtype):
    logits, mask = torch.randn(2, 4, 5, 5), torch.randint(0, 4, (2, 5, 5)).to(dtype)
    loss = SegmentationLoss()
    assert torch.equal(loss(logits, mask), loss(logits, mask[:, None].long()))


@pytest.mark.parametrize(("label", "kind"), [(28, torch.uint8), (4, torch.uint8), (-1, torch.int8)])
def test_a_class_that_the_network_does_not_know_is_refused(label, kind):
    mask = torch.tensor([[[0, label]]], dtype=kind)
    message = rf"knows the classes 0 to 3 \(255 does not count\), got {label}\..*num_classes"
    with pytest.raises(LabelError, match=message) as caught:
        SegmentationLoss()(torch.zeros(1, 4, 1, 2), mask)
    assert isinstance(caught.value, ValueError)


def test_of_many_wrong_classes_a_few_are_named():
    mask = torch.arange(100).view(1, 10, 10)
    with pytest.raises(LabelError, match=r"got 4, 5, 6, 7, 8, \.\.\.\. Give"):
        SegmentationLoss()(torch.zeros(1, 4, 10, 10), mask)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 2, 2), r"must be whole numbers, .*, got torch.float32 \(1, 2, 2\)"),
        (torch.zeros(1, 3, 2, 2).byte(), r"\(N, H, W\) or \(N, 1, H, W\), got torch.uint8"),
        (torch.zeros(1, 2, 3).byte(), r"must be \(1, 2, 2\) as the images, got \(1, 2, 3\)"),
        (torch.zeros(2, 2, 2).byte(), r"must be \(1, 2, 2\) as the images, got \(2, 2, 2\)"),
    ],
)
def test_masks_of_another_kind_or_size_are_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        SegmentationLoss()(torch.zeros(1, 4, 2, 2), mask)


def test_parts_with_the_counts_of_the_whole_add_up_to_it():
    loss, logits = SegmentationLoss(), torch.randn(3, 4, 6, 6, dtype=torch.float64)
    mask = torch.randint(0, 4, (3, 6, 6))
    mask[0], mask[1, 2:] = 255, 255
    counts = loss.counts(mask)
    assert counts == 12 + 36
    parts = [loss(logits[i : i + 1], mask[i : i + 1], counts=counts) for i in range(3)]
    torch.testing.assert_close(sum(parts), loss(logits, mask))


# The network.


@pytest.mark.parametrize("color", ["rgb", "bgr"])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_network_sees_images_as_it_was_trained_on(net, weights, color, normalize):
    loss = SegmentationLoss(network=TEACHER, weights=weights, color=color, normalize=normalize)
    data = segmented_batch()
    rgb = data["lq"] if color == "rgb" else data["lq"].flip(1)
    logits = net((rgb - MEAN) / STD if normalize else rgb)
    expected = SegmentationLoss()(logits, data["segmentation"])
    torch.testing.assert_close(loss(data["lq"], data["segmentation"]), expected)


def test_a_frozen_network_gives_the_image_the_gradient_of_the_plain_one(net, weights):
    data = segmented_batch(side=37)
    loss = SegmentationLoss(network=TEACHER, weights=weights)
    gradients = []
    for function in (loss.teacher, net):
        image = data["lq"].clone().requires_grad_()
        SegmentationLoss()(function(image), data["segmentation"]).backward()
        gradients.append(image.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-8)
    assert not any(p.requires_grad for p in loss.parameters())


def test_the_network_computes_in_float32_whatever_surrounds_it(weights):
    loss, data = SegmentationLoss(network=TEACHER, weights=weights), segmented_batch()
    expected = loss(data["lq"], data["segmentation"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(data["lq"], data["segmentation"]), expected)


def test_other_modes_are_not_switched_on_by_chance(weights):
    loss = SegmentationLoss(network=TEACHER, weights=weights)
    data = segmented_batch()
    first = loss.train()(data["lq"], data["segmentation"])
    assert torch.equal(loss(data["lq"], data["segmentation"]), first)  # no dropout
    legacy = SegmentationLoss(network=TEACHER, weights=weights, teacher_mode="train").eval()
    values = [legacy(data["lq"], data["segmentation"]) for _ in range(2)]
    assert not torch.equal(*values)


def test_images_that_are_not_of_three_channels_are_refused(weights):
    loss = SegmentationLoss(network=TEACHER, weights=weights)
    with pytest.raises(ValueError, match=r"pred: must be images .* DeepLabV3Plus, got \(2, 1, 8"):
        loss(torch.rand(2, 1, 8, 8), torch.zeros(2, 8, 8).byte())


# Training.


def test_the_smoothing_network_learns_from_a_frozen_one_which_stays(weights):
    model = build_model(model_with(weights=weights))
    start = {k: v.clone() for k, v in model.net.state_dict().items()}
    teacher = model.terms["seg"].loss.teacher
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    data = segmented_batch()
    for iteration in range(2):
        model.feed_data(data)
        model.optimize_parameters(iteration)
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    assert not any(module.training for module in teacher.modules())
    assert model.companions == {}
    other = model_with(weights=weights, loss_weight=0.0)
    without = stepped(other, data, start=start).net.body[0].weight
    once = stepped(model_with(weights=weights), data, start=start).net.body[0].weight
    assert (once - without).abs().max() > 1e-6


def test_shown_the_observation_a_frozen_network_teaches_nothing(weights, caplog):
    caplog.set_level(logging.INFO)
    options, data = model_with(weights=weights, pred="lq"), segmented_batch()
    model = build_model(options)
    start = {k: v.clone() for k, v in model.net.state_dict().items()}
    model.feed_data(data)
    model.optimize_parameters(1)
    logs = model.get_current_log()
    assert logs["l_seg"] > 0
    assert logs["l_total"] == pytest.approx(logs["l_pixel"] + logs["l_seg"])
    del options["train"]["seg_opt"]
    alone = stepped(options, data, start=start)
    for name, value in alone.net.state_dict().items():
        assert torch.equal(value, model.net.state_dict()[name])
    assert "the term is logged, but teaches nothing" in caplog.text


@pytest.mark.parametrize("pred", ["pred", "lq"])
def test_a_network_that_trains_along_changes_and_is_saved(weights, pred):
    model = build_model(model_with(weights=weights, fixed=False, pred=pred))
    net = model.companions["net_seg"]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    model.feed_data(segmented_batch())
    model.optimize_parameters(1)
    saved = model.snapshot().networks["net_seg"]["params"]
    assert saved.keys() == before.keys()
    logits, statistics = "classifier.classifier.3.weight", "classifier.project.1.running_mean"
    for name in (logits, statistics):
        assert not torch.equal(saved[name], before[name])


def test_a_network_saved_in_training_serves_as_a_frozen_one(weights, tmp_path):
    model = stepped(model_with(weights=weights, fixed=False), segmented_batch())
    torch.save(model.snapshot().networks["net_seg"], tmp_path / "net_seg_1.pth")
    loss = SegmentationLoss(network=TEACHER, weights=str(tmp_path / "net_seg_1.pth"))
    own = SegmentationLoss(network=TEACHER, weights=weights)
    data = segmented_batch()
    values = [each(data["lq"], data["segmentation"]) for each in (loss, own)]
    assert not torch.equal(*values)


def test_under_global_reduction_parts_of_a_batch_weigh_their_pixels(weights):
    options, data = model_with(weights=weights), segmented_batch(4)
    options["train"]["loss_reduction"] = "global"
    whole, parts = build_model(options), build_model(options)
    parts.net.load_state_dict(whole.net.state_dict())
    whole.feed_data(data)
    for index in range(4):
        parts.feed_data({name: value[index : index + 1] for name, value in data.items()})
    for model in (whole, parts):
        model.optimize_parameters(1)
    values = [model.get_current_log()["l_seg"] for model in (whole, parts)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    torch.testing.assert_close(whole.net.body[0].weight, parts.net.body[0].weight)


@pytest.mark.parametrize(
    ("section", "faults"),
    [
        ({"network": TEACHER}, []),
        ({"network": TEACHER, "fixed": True}, []),
        ({"fixed": False}, []),
        (
            {"network": TEACHER, "fixed": False},
            ["train: needs 'optim_seg', the optimiser of train.seg_opt.network."],
        ),
    ],
)
def test_only_a_network_that_trains_needs_an_optimiser(tiny, section, faults):
    path = tiny(train={"seg_opt": {"type": "SegmentationLoss", **section}})
    found = check(read_options(path)).faults
    assert [f"{fault.where}: {fault.message}" for fault in found] == faults


def test_the_check_looks_into_the_network_of_a_loss(tiny):
    network = {"type": "DeepLabV3Plus", "stride": 8}
    path = tiny(train={"seg_opt": {"type": "SegmentationLoss", "network": network}})
    (fault,) = check(read_options(path)).faults
    assert fault.where == "train.seg_opt.network.stride"
    assert "Did you mean 'output_stride'?" in fault.message


def test_the_loss_is_registered():
    assert isinstance(build_loss({"type": "SegmentationLoss"}), SegmentationLoss)
