"""DeepLabV3+: strides, sizes, starting values, and torchvision's parts in it."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from smoothkit.archs import build_network
from smoothkit.core.errors import OptionError
from smoothkit.models.folding import fold_batch_norm
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus
from smoothkit.systems.csgis.mobilenet import InvertedResidual, MobileNetV2
from support.fill import fill

# (stride, dilation) of the entries 1 to 17.
FIRST = [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1)]
PLANS = {
    8: [*FIRST, (1, 1), *[(1, 2)] * 7, *[(1, 4)] * 3],
    16: [*FIRST, (2, 1), *[(1, 1)] * 7, *[(1, 2)] * 3],
}


def filled(net: nn.Module) -> nn.Module:
    net.load_state_dict(fill(net.state_dict()))
    return net.eval()


@pytest.mark.parametrize("stride", PLANS)
def test_strides_beyond_the_output_stride_become_dilations(stride):
    net = MobileNetV2(stride)
    each = [block.conv[-3][0] for block in net.modules() if isinstance(block, InvertedResidual)]
    assert [(conv.stride[0], conv.dilation[0]) for conv in each] == PLANS[stride]
    assert all(conv.groups == conv.in_channels and conv.padding == (0, 0) for conv in each)


def test_a_widened_map_has_the_value_of_zero_beyond_the_border():
    block = filled(InvertedResidual(2, 3, expansion=6, stride=1, dilation=2))
    image = torch.rand(1, 2, 5, 4)
    widened = block.conv[0](torch.zeros(1, 2, 9, 8))
    widened[..., 2:-2, 2:-2] = block.conv[0](image)
    assert widened[0, :, 0, 0].abs().max() > 0.1
    torch.testing.assert_close(block(image), block.conv[1:](widened))


@pytest.mark.parametrize(
    ("backbone", "size"),
    [("mobilenet", (3, 3)), ("mobilenet", (41, 34)), ("resnet50", (1, 1)), ("resnet50", (17, 3))],
)
@pytest.mark.parametrize("stride", [8, 16])
@torch.no_grad()
def test_odd_sizes_are_taken_down_to_the_least(backbone, size, stride):
    net = DeepLabV3Plus(backbone, num_classes=4, output_stride=stride).eval()
    result = net(torch.rand(1, 3, *size))
    assert result.shape == (1, 4, *size)
    assert result.isfinite().all()


def test_images_below_the_least_size_are_refused():
    with pytest.raises(ValueError, match="MobileNetV2 needs at least 3 x 3 pixels, got 2 x 7"):
        DeepLabV3Plus().eval()(torch.rand(2, 3, 2, 7))


def test_one_image_alone_is_refused_only_in_training():
    net = DeepLabV3Plus(num_classes=2)
    with pytest.raises(ValueError, match=r"takes 2 or more at a time in training mode.*got 1"):
        net(torch.rand(1, 3, 8, 8))
    assert net(torch.rand(2, 3, 8, 8)).shape == (2, 2, 8, 8)
    assert net.eval()(torch.rand(1, 3, 8, 8)).shape == (1, 2, 8, 8)


def test_the_published_names_stand_for_a_backbone_at_output_stride_8():
    given = {"type": "deeplabv3plus_mobilenet", "num_classes": 5}
    published = filled(build_network(given))
    ours = filled(DeepLabV3Plus(num_classes=5, output_stride=8))
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(published(image), ours(image))
    other = filled(build_network({**given, "output_stride": 16}))
    assert not torch.allclose(other(image), ours(image))


def test_the_published_argument_to_download_a_backbone_is_taken_only_to_refuse_it():
    names = build_network({"type": "deeplabv3plus_mobilenet"}).state_dict().keys()
    given = {"type": "deeplabv3plus_mobilenet", "num_classes": 21, "output_stride": 16}
    plain = build_network({**given, "pretrained_backbone": False})
    assert plain.state_dict().keys() == names
    message = r"network_g.pretrained_backbone: nothing is downloaded. .* 'weights' of a Segmentatio"
    with pytest.raises(OptionError, match=message):
        build_network({**given, "pretrained_backbone": True})


@torch.no_grad()
def test_resnet_and_pyramid_give_what_torchvisions_network_gives():
    theirs = torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=3
    )
    filled(theirs)
    net = DeepLabV3Plus("resnet50", num_classes=3, output_stride=8).eval()
    net.backbone.load_state_dict(theirs.backbone.state_dict())
    net.classifier.aspp.load_state_dict(theirs.classifier[0].state_dict())
    image = torch.rand(1, 3, 33, 40)
    low, high = net.backbone(image)
    assert low.shape == (1, 256, 9, 10)
    torch.testing.assert_close(high, theirs.backbone(image)["out"])
    torch.testing.assert_close(net.classifier.aspp(high), theirs.classifier[0](high))


@pytest.mark.parametrize(("backbone", "millions"), [("resnet50", 39.76), ("resnet101", 58.75)])
def test_resnets_have_the_published_size_and_names(backbone, millions):
    with torch.device("meta"):
        net = build_network({"type": f"deeplabv3plus_{backbone}"})
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    names = net.state_dict().keys()
    assert {"backbone.conv1.weight", "backbone.layer4.2.conv3.weight"} <= names
    assert not any(name.startswith("backbone.fc") for name in names)


def test_convolutions_start_as_published():
    """He's normal values: by what goes out in the backbone, by what comes in behind it."""
    net = DeepLabV3Plus()
    last = net.backbone.high_level_features[-1].conv[-2].weight
    wide = net.classifier.aspp.convs[1][0].weight
    assert last.std().item() == pytest.approx((2 / 320) ** 0.5, rel=0.02)
    assert wide.std().item() == pytest.approx((2 / (320 * 9)) ** 0.5, rel=0.02)
    assert net.classifier.aspp.project[-1].p == 0.1


@torch.no_grad()
def test_all_batch_norms_fold_into_convolutions():
    net = filled(DeepLabV3Plus(num_classes=3))
    folded = fold_batch_norm(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    image = torch.rand(2, 3, 29, 31)
    torch.testing.assert_close(folded(image), net(image), rtol=1e-4, atol=1e-5)


def test_a_number_of_classes_below_one_is_refused():
    with pytest.raises(OptionError, match=r"network_g.num_classes: must be 1 or more, got 0"):
        build_network({"type": "DeepLabV3Plus", "num_classes": 0})
