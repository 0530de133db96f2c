"""What a check says of CSGIS-Net's losses, before a training would stop at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.core.errors import OptionError
from smoothkit.core.options import read_options
from smoothkit.engine.check import check
from smoothkit.inference import main as infer
from smoothkit.models import build_model
from smoothkit.models.step import build_terms
from support.csgis import TEACHER, options_of, segmented_batch, write_teacher


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes tiny.yml with a change, where no published weights are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", "cache")

    def write(change=lambda options: None, file: str = "tiny.yml") -> str:
        options = options_of(file)
        change(options)
        Path("wrong.yml").write_text(yaml.safe_dump(options, sort_keys=False))
        return "wrong.yml"

    return write


def found(path: str) -> list[str]:
    """Faults before anything is built, as a training looks for them, too."""
    return [f"{fault.where}: {fault.message}" for fault in check(read_options(path)).faults]


def line_of(path: str, dotted: str) -> str:
    """``file:line`` of a key, or of the nearest that the file has."""
    places = read_options(path).places
    while dotted not in places:
        dotted = dotted.rpartition(".")[0]
    return places[dotted]


@pytest.mark.parametrize(
    ("loss", "changes", "where", "message"),
    [
        ("style", {"weights": None}, "weights", "vgg16-397923af.pth: no such weights here"),
        ("style", {"weights": "no.pth"}, "weights", "no.pth: no such file of weights."),
        ("seg", {"weights": None}, "weights", "best_deeplabv3plus_mobilenet_voc_os16.pth: no such"),
        ("seg", {"weights": "no.pth"}, "weights", "no.pth: no such file of weights."),
        ("seg", {"weights": "19.pth"}, "weights", "19.pth: tells 19 classes apart, the network 6."),
        (
            "seg",
            {"network": {"type": "TinyNet"}, "weights": None},
            "weights",
            "is missing: TinyNet",
        ),
    ],
)
def test_the_check_builds_losses_with_their_weights(wrong, capfd, loss, changes, where, message):
    write_teacher(Path("19.pth"), num_classes=19)
    path = wrong(lambda options: options["train"][f"{loss}_opt"].update(changes))
    assert found(path) == []
    dotted = f"train.{loss}_opt.{where}".rstrip(".")
    code = smoothkit_main(["check", "-opt", path, "--no-data"])
    printed = capfd.readouterr()
    if "no such" in message:  # on this machine
        assert code == 0
        assert f"needed: {dotted}: {message}" in printed.out
    else:
        assert code == 2
        assert f"{line_of(path, dotted)}: {dotted}: {message}" in printed.err


def test_the_check_without_data_lists_every_weight_that_is_needed(wrong, capfd):
    assert smoothkit_main(["check", "-opt", wrong(file="train_CSGISNet.yml"), "--no-data"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines if line.startswith("needed: ")] == [
        "train.style_opt.weights",
        "train.seg_opt.weights",
    ]


def test_the_check_tells_which_losses_it_built(wrong, capfd):
    assert smoothkit_main(["check", "-opt", wrong(), "--no-data"]) == 0
    assert "train.style_opt: StyleTripletLoss\ntrain.seg_opt: Segme" in capfd.readouterr().out


def test_weights_that_cannot_be_used_name_the_section_in_training_too(wrong):
    write_teacher(Path("19.pth"), num_classes=19)
    section = {"type": "SegmentationLoss", "network": TEACHER, "weights": "19.pth"}
    with pytest.raises(OptionError, match=r"^train.seg_opt.weights: 19.pth: tells 19 classes"):
        build_terms({"seg_opt": section})


def fewer_classes(options: dict[str, Any]) -> None:
    options["train"]["seg_opt"]["network"]["num_classes"] = 4


def more_masks(options: dict[str, Any]) -> None:
    del options["datasets"]["train"]["num_classes"]  # the default, 21


@pytest.mark.parametrize(("change", "known", "given"), [(fewer_classes, 4, 6), (more_masks, 6, 21)])
def test_masks_of_more_classes_than_the_network_knows_are_a_fault(wrong, change, known, given):
    assert found(wrong(change)) == [
        f"train.seg_opt.network.num_classes: must be {given} or more, since "
        f"datasets.train.num_classes is {given}, got {known}. Use a network of {given} classes, "
        f"or masks of {known}."
    ]


def test_a_network_that_gives_logits_itself_has_to_know_the_classes_of_the_masks(wrong):
    def change(options: dict[str, Any]) -> None:
        options["network_g"]["num_classes"] = 5

    (fault,) = found(wrong(change, "train_DeepLab_demo.yml"))
    assert fault.startswith("network_g.num_classes: must be 6 or more")
    assert found(wrong(file="train_DeepLab_demo.yml")) == []


def test_a_network_may_know_more_classes_than_the_masks_have(wrong):
    def change(options: dict[str, Any]) -> None:
        options["train"]["seg_opt"]["network"]["num_classes"] = 21

    assert found(wrong(change)) == []


def test_images_that_negatives_need_are_asked_for_before_training(wrong):
    def change(options: dict[str, Any]) -> None:
        del options["datasets"]["train"]["dataroot_over"]
        del options["negatives"]  # either, by default

    (fault,) = found(wrong(change))
    assert fault.startswith("datasets.train.dataroot_over: is missing: negatives.source 'either'")


def test_the_input_as_negative_asks_for_no_further_images(wrong):
    def change(options: dict[str, Any]) -> None:
        del options["datasets"]["train"]["dataroot_over"]
        options["negatives"] = {"source": "input"}

    assert found(wrong(change)) == []


def test_nothing_is_asked_for_that_no_loss_reads(wrong):
    def change(options: dict[str, Any]) -> None:
        for key in ("over", "segmentation", "edge"):
            del options["datasets"]["train"][f"dataroot_{key}"]
        for key in ("grey", "style", "seg", "edge"):
            del options["train"][f"{key}_opt"]

    assert found(wrong(change)) == []


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (
            {"type": "SegmentationLoss", "network": TEACHER, "weights": "random",
             "teacher_mode": "train"},
            {"count": 1},
            r"SegmentationLoss refuses this: images: DeepLabV3\+ takes 2 or more at a time",
        ),
        (
            {"type": "ContrastRatioLoss", "weights": "random"},
            {"side": 7},
            "ContrastRatioLoss refuses this: images: layer 22 of VGG-16 needs at least 8 x 8",
        ),
        (
            {"type": "SegmentationLoss", "pred": "lq"},
            {},
            "SegmentationLoss refuses this: segmentation: the network knows the classes 0 to 2",
        ),
    ],
)  # fmt: skip
def test_what_a_loss_refuses_names_its_section(loss, arguments, message):
    train = {"optim_g": {"type": "SGD", "lr": 0.1}, "a_opt": loss}
    options = {"num_gpu": 0, "network_g": {"type": "TinyNet"}, "train": train}
    options |= {"model_type": "SemanticSmoothingModel", "negatives": {"source": "input"}}
    model = build_model(options)
    model.feed_data(segmented_batch(**arguments))
    with pytest.raises(OptionError, match=f"^train.a_opt: {message}"):
        model.optimize_parameters(1)


def test_a_patch_that_the_network_refuses_names_its_section():
    network = {"type": "EdgeGuidedSmoothingNet", "dim": 4, "num_block": 1}
    train = {"optim_g": {"type": "SGD", "lr": 0.1}, "a_opt": {"type": "L1Loss"}}
    model = build_model({"num_gpu": 0, "network_g": network, "train": train})
    model.feed_data({key: torch.rand(1, 3, 7, 9) for key in ("lq", "gt")})
    message = r"^network_g: EdgeGuidedSmoothingNet refuses this: .* got 7 x 9\. .* larger patches\."
    with pytest.raises(OptionError, match=message):
        model.optimize_parameters(1)


def test_an_optimiser_that_steps_nothing_is_refused(wrong):
    def change(options: dict[str, Any]) -> None:
        options["train"]["optim_seg"] = {"type": "Adam", "lr": 1e-3}

    assert found(wrong(change)) == [
        "train.optim_seg: steps no network: no loss brings one of this name that trains. Remove it."
    ]


@pytest.mark.parametrize(("said", "count"), [({}, 1), ({"color": "bgr"}, 0), ({"color": "rgb"}, 0)])
def test_images_in_bgr_ask_for_a_word_on_what_the_teacher_gets(wrong, said, count):
    def change(options: dict[str, Any]) -> None:
        options["datasets"]["train"]["color"] = "bgr"
        options["train"]["seg_opt"] |= said

    faults = found(wrong(change))
    assert len(faults) == count
    assert all("train.seg_opt.color: datasets.train.color is bgr" in fault for fault in faults)


def test_weights_that_do_not_tell_their_network_are_named_alone(wrong, capfd):
    torch.save({"params": {"some.weight": torch.zeros(2)}}, "other.pth")

    def change(options: dict[str, Any]) -> None:
        options.pop("network_g")
        options["path"] = {"pretrain_network_g": "other.pth"}

    assert smoothkit_main(["check", "-opt", wrong(change), "--no-data"]) == 2
    told = capfd.readouterr().err.splitlines()
    assert "path.pretrain_network_g: other.pth does not tell which network it holds." in told[-1]
    assert not any("needs 'network_g'" in line for line in told)


def test_a_network_of_classes_is_refused_by_inference_in_one_line(wrong, capfd):
    write_teacher(Path("teacher.pth"))
    folders = ["--input", "in", "--output", "out", "--arch", "DeepLabV3Plus"]
    Path("in").mkdir()
    assert infer(["--model_path", "teacher.pth", *folders]) == 2
    assert "holds DeepLabV3Plus, which makes no images of images" in capfd.readouterr().err
