"""DeepLabV3+, which tells for each pixel what object it belongs to.

Source: Chen et al., ECCV 2018; parameter names and arithmetic of the public repository
VainF/DeepLabV3Plus-Pytorch, whose checkpoints load.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.systems.csgis.mobilenet import MobileNetV2

Backbone = Literal["mobilenet", "resnet50", "resnet101"]
_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
_WIDTH, _LOW_WIDTH = 256, 48


@ARCH_REGISTRY.register(
    aliases={
        f"deeplabv3plus_{backbone}": {"backbone": backbone, "output_stride": 8}
        for backbone in ("mobilenet", "resnet50", "resnet101")
    }
)
class DeepLabV3Plus(nn.Module):
    """Classes of pixels from features at two sizes.

    With ResNet any size of image is taken; with MobileNet both sides need 3 pixels or more. The
    published short names, such as ``deeplabv3plus_mobilenet``, stand for output stride 8.

    Args:
        backbone: network that makes the features.
        num_classes: channels of the result; Pascal VOC has 21.
        output_stride: side of the image divided by that of the features. Parameters do not depend
            on it; the published weights were trained with 16.
        dropout: share of the features that is dropped in training.
        pretrained_backbone: only false: weights come from files that options name.

    Raises:
        OptionError: fewer than one class, or weights to download.
    """

    io = None  # gives logits, not an image

    def __init__(
        self,
        backbone: Backbone = "mobilenet",
        num_classes: int = 21,
        output_stride: Literal[8, 16] = 16,
        dropout: float = 0.1,
        pretrained_backbone: bool = False,
    ) -> None:
        super().__init__()
        if pretrained_backbone:
            message = (
                "nothing is downloaded. Set it to false, and give torchvision's file of the "
                "backbone as 'weights' of a SegmentationLoss that trains the network."
            )
            raise OptionError([Fault("pretrained_backbone", message)])
        if num_classes < 1:
            raise OptionError([Fault("num_classes", f"must be 1 or more, got {num_classes}.")])
        self.backbone_name, self.num_classes = backbone, num_classes
        self.backbone: MobileNetV2 | ResNet = (
            MobileNetV2(output_stride)
            if backbone == "mobilenet"
            else ResNet(backbone, output_stride)
        )
        self.classifier = Head(
            self.backbone.low_channels,
            self.backbone.out_channels,
            num_classes,
            rates=_RATES[output_stride],
            dropout=dropout,
        )

    @property
    def published_file(self) -> str:
        """Name under which weights for Pascal VOC are published."""
        return f"best_deeplabv3plus_{self.backbone_name}_voc_os16.pth"

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes, (N, num_classes, H, W).

        Args:
            x: (N, 3, H, W), RGB; the published weights were trained on [0, 1] shifted and scaled by
                ImageNet's mean and deviation.

        Raises:
            ValueError: images below the least size; one image alone in training mode.
        """
        if self.training and x.shape[0] == 1:
            raise ValueError(
                "images: DeepLabV3+ takes 2 or more at a time in training mode, as it normalises "
                "means over whole images, got 1. Use larger batches, or evaluation mode."
            )
        low, high = self.backbone(x)
        return _resized(self.classifier(low, high), x)


class Head(nn.Module):
    """Logits of features at two sizes, at the size of the larger.

    Args:
        low_channels, out_channels: of the features near the image, and of the deep ones.
        num_classes: channels of the result.
        rates: dilations of the three parallel convolutions.
        dropout: share of the features that is dropped in training.
    """

    def __init__(
        self,
        low_channels: int,
        out_channels: int,
        num_classes: int,
        *,
        rates: tuple[int, int, int],
        dropout: float,
    ) -> None:
        # Here, as it takes a second, which is not for those who name another network to wait.
        from torchvision.models.segmentation.deeplabv3 import ASPP

        super().__init__()
        self.project = nn.Sequential(*_conv_bn_relu(low_channels, _LOW_WIDTH, 1))
        self.aspp = ASPP(out_channels, rates, _WIDTH)
        self.aspp.project[-1] = nn.Dropout(dropout)
        self.classifier = nn.Sequential(
            *_conv_bn_relu(_LOW_WIDTH + _WIDTH, _WIDTH, 3), nn.Conv2d(_WIDTH, num_classes, 1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        deep = _resized(self.aspp(high), low)
        logits: Tensor = self.classifier(torch.cat([self.project(low), deep], dim=1))
        return logits


class ResNet(nn.Sequential):
    """torchvision's ResNet without its classifier.

    Args:
        name: of torchvision's function.
        output_stride: 8 or 16; beyond it, strides become dilations.
    """

    low_channels, out_channels = 256, 2048

    def __init__(self, name: str, output_stride: int) -> None:
        import torchvision

        net = getattr(torchvision.models, name)(
            weights=None, replace_stride_with_dilation=[False, output_stride == 8, True]
        )
        layers = net.named_children()
        super().__init__(OrderedDict((k, v) for k, v in layers if k not in ("avgpool", "fc")))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the first layer (N, 256, H', W') and of the last (N, 2048, H'', W'')."""
        low = x
        for name, layer in self.named_children():
            x = layer(x)
            low = x if name == "layer1" else low
        return low, x


def _resized(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _conv_bn_relu(in_c: int, out_c: int, kernel: int) -> list[nn.Module]:
    conv = nn.Conv2d(in_c, out_c, kernel, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out_c), nn.ReLU(inplace=True)]
