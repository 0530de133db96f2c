"""Weights of the segmentation network: where they are found, and which are refused."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
import torch
import torchvision

from smoothkit.core.errors import DataError, OptionError
from smoothkit.models.step import build_terms
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus
from smoothkit.systems.csgis.segmentation import SegmentationLoss
from smoothkit.systems.csgis.teacher import load_teacher
from support.csgis import MEAN, STD, TEACHER, filled_teacher, segmented_batch, write_teacher


@pytest.fixture(scope="module")
def net() -> DeepLabV3Plus:
    return filled_teacher()


def test_weights_are_found_under_their_published_name(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("experiments/pretrained_models")
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / "best_deeplabv3plus_mobilenet_voc_os16.pth")
    loss, data = SegmentationLoss(network=TEACHER), segmented_batch()
    expected = SegmentationLoss()(net((data["lq"] - MEAN) / STD), data["segmentation"])
    torch.testing.assert_close(loss(data["lq"], data["segmentation"]), expected)


def test_a_frozen_network_without_weights_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "cache")
    section = {"type": "SegmentationLoss", "network": TEACHER}
    with pytest.raises(OptionError) as caught:
        build_terms({"seg_opt": section})
    name = "best_deeplabv3plus_mobilenet_voc_os16.pth"
    assert str(caught.value) == (
        f"train.seg_opt.weights: {name}: no such weights here, and nothing is downloaded. Give "
        f"the file as 'weights', or experiments/pretrained_models/{name}, or "
        f"cache/checkpoints/{name}. It is published at "
        "https://github.com/VainF/DeepLabV3Plus-Pytorch"
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"weights": "a.pth"}, "weights: there is no 'network' to load them into. Add it"),
        ({"network": TEACHER, "weights": "a.pth"}, "weights: a.pth: no such file of weights."),
        ({"network": {"type": "TinyNet"}}, "weights: is missing: TinyNet is frozen. Give its"),
        ({"network": {"type": "DeepLabV3"}}, "network.type: no network is called 'DeepLabV3'."),
        ({"network": {**TEACHER, "clases": 3}}, "network.clases: DeepLabV3Plus takes no such"),
    ],
)
def test_options_that_do_not_fit_are_refused(section, message):
    with pytest.raises(OptionError, match=re.escape(f"train.seg_opt.{message}")):
        build_terms({"seg_opt": {"type": "SegmentationLoss", **section}})


def test_random_weights_are_the_same_every_time_and_draw_nothing(caplog):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    losses = [SegmentationLoss(network=TEACHER, weights="random") for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    data = segmented_batch()
    assert torch.equal(*(loss(data["lq"], data["segmentation"]) for loss in losses))
    assert "the frozen network has random weights" in caplog.text


def test_weights_for_other_classes_are_refused_with_both_numbers(tmp_path):
    write_teacher(tmp_path / "best.pth", num_classes=4, prefix="module.")
    message = (
        r"best.pth: tells 4 classes apart, the network 21. Set network.num_classes to 4 for "
        r"masks of at most that many classes, or give other weights\."
    )
    with pytest.raises(DataError, match=message):
        load_teacher(DeepLabV3Plus(), tmp_path / "best.pth")


@pytest.mark.parametrize(("blocks", "name"), [(6, "resnet50"), (23, "resnet101")])
def test_weights_for_another_backbone_say_which(net, tmp_path, blocks, name):
    state = {f"backbone.layer3.{i}.conv3.weight": torch.zeros(1) for i in range(blocks)}
    torch.save({"model_state": state}, tmp_path / "a.pth")
    with pytest.raises(DataError, match=f"backbone {name}, the network has mobilenet. Set net"):
        load_teacher(net, tmp_path / "a.pth")


def test_weights_of_something_else_name_what_is_missing(net, tmp_path):
    torch.save({"model_state": {"conv.weight": torch.zeros(1)}}, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"not weights of this DeepLabV3Plus: missing: backbone"):
        load_teacher(net, tmp_path / "a.pth")


def imagenet(name, path, old=True):
    """torchvision's file of a backbone, of ones that take no room."""
    with torch.device("meta"):
        shapes = getattr(torchvision.models, name)(weights=None).state_dict()
    kept = {k: v for k, v in shapes.items() if not (old and k.endswith("batches_tracked"))}
    torch.save({k: torch.ones((), dtype=v.dtype).expand(v.shape) for k, v in kept.items()}, path)


@pytest.mark.parametrize(("ours", "theirs"), [("mobilenet", "mobilenet_v2"), ("resnet50",) * 2])
def test_a_backbone_for_imagenet_starts_a_network_that_trains(tmp_path, caplog, ours, theirs):
    caplog.set_level(logging.INFO)
    imagenet(theirs, tmp_path / "a.pth")
    net = DeepLabV3Plus(ours, num_classes=2)
    head = {k: v.clone() for k, v in net.classifier.state_dict().items()}
    load_teacher(net, tmp_path / "a.pth", trains=True)
    assert all((parameter == 1).all() for parameter in net.backbone.parameters())
    assert all(torch.equal(v, head[k]) for k, v in net.classifier.state_dict().items())
    assert "a.pth; the layers behind it start at random" in caplog.text


def test_a_backbone_for_imagenet_is_refused_for_a_frozen_network(tmp_path):
    imagenet("mobilenet_v2", tmp_path / "a.pth")
    section = {"network": TEACHER, "weights": str(tmp_path / "a.pth")}
    with pytest.raises(
        OptionError, match=r"weights: .*a.pth: holds a backbone for ImageNet .* 'fixed: false'"
    ):
        SegmentationLoss(**section)
    imagenet("resnet50", tmp_path / "a.pth", old=False)
    with pytest.raises(OptionError, match="holds weights for the backbone resnet50"):
        SegmentationLoss(**section, fixed=False)
