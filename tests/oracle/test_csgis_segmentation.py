"""The segmentation network of CSGIS-Net and its loss against the published code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus
from smoothkit.systems.csgis.segmentation import SegmentationLoss
from support.fill import fill
from support.oracle import Case, key_list

NAME = "deeplabv3plus_mobilenet"


@pytest.mark.parametrize("stride", [8, 16])
@torch.no_grad()
def test_features_and_logits_match_the_reference(stride: int) -> None:
    case = Case("smoothing", f"{NAME}_os{stride}")
    net = DeepLabV3Plus(output_stride=stride).eval()
    net.load_state_dict(fill(net.state_dict()))
    low, high = net.backbone(case.tensor("x"))
    case.close(low, "low_level")
    case.close(high.mean((2, 3)), "high_level_mean")
    case.close(net(case.tensor("x")), "logits")


def test_parameters_have_the_published_names_order_and_shapes() -> None:
    net = ARCH_REGISTRY.build({"type": NAME, "num_classes": 21}, where="test")
    shapes = {name: list(value.shape) for name, value in net.state_dict().items()}
    assert list(shapes.items()) == list(key_list("smoothing", NAME).items())
    parts = {"": 5_225_717, "backbone": 1_811_712, "classifier": 3_414_005}
    for name, count in parts.items():
        assert sum(p.numel() for p in net.get_submodule(name).parameters()) == count


def test_cross_entropy_and_its_gradient_match_the_reference() -> None:
    case = Case("smoothing", "loss_seg")
    logits = case.tensor("logits").requires_grad_()
    value = SegmentationLoss()(logits, case.tensor("label"))
    value.backward()
    case.close(value, "loss")
    case.close(logits.grad, "grad")


@pytest.mark.parametrize(
    "name", ["train_cs_seg", "train_cs_cons_seg_neg_ob", "train_cs_cons_seg_neg_ov"]
)
def test_the_published_way_of_training_gives_the_recorded_loss(tmp_path: Path, name: str) -> None:
    case = Case("smoothing", name)
    network = {"type": NAME, "output_stride": 8, "dropout": 0.0}  # drawn anew otherwise
    state = fill(ARCH_REGISTRY.build(network, where="test").state_dict())
    torch.save({"model_state": state}, tmp_path / "teacher.pth")
    loss = SegmentationLoss(
        network=network,
        weights=str(tmp_path / "teacher.pth"),
        normalize=False,
        teacher_mode="train",
    )
    value = loss(case.tensor("batch_OB"), case.tensor("batch_SE"))
    case.close(value, "loss_segmantation")
    assert not value.requires_grad
