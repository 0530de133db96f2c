"""The matting network: image and trimap to alpha.

Source: arXiv 2112.13809; parameter names of the published code.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.image_io import ImageIO
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.core.weights import State, load_file, load_into, network_state
from smoothkit.ops.imagenet import MEAN, STD
from smoothkit.systems.lsa.decoder import Decoder
from smoothkit.systems.lsa.encoder import ResNetV1d
from smoothkit.systems.lsa.skips import SKIPS

log = logging.getLogger(__name__)

# Of ImageNet's RGB images in [0, 1], in the encoder's published training.
_STEM = "stem.0.conv.weight"


@ARCH_REGISTRY.register(aliases=("LSAMatting",))
class LsaNet(nn.Module):
    """Alpha of a normalised image and its trimap.

    The gates of its decoder weigh channels by their means over the whole map, so that an output
    pixel depends on the whole input: tiles do not give the whole image's result.

    Args:
        decoder: ``simple`` is the released one; ``fam`` moves features by a flow at the end.
        skip: what stands between encoder and decoder; ``plain`` is the released network.
        input_format: order of the three colour channels that the weights were trained with.
        width: channels of the stem; 64 is the published size, and a multiple of 4 is needed.
        blocks: blocks of the four layers of the encoder; (3, 4, 6, 3) makes it a ResNet-50.
    """

    def __init__(
        self,
        decoder: Literal["simple", "fam"] = "simple",
        skip: Literal["plain", "aspp", "ppm", "attention"] = "plain",
        input_format: Literal["RGB", "BGR"] = "RGB",
        width: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
    ) -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise OptionError([Fault("width", f"must be a multiple of 4, got {width}.")])
        if len(blocks) != 4 or min(blocks) < 1:
            message = f"must be four numbers of 1 or more, got {list(blocks)}."
            raise OptionError([Fault("blocks", message)])
        self.backbone = ResNetV1d(4, width, blocks)
        self.skip = SKIPS[skip]({"stage0": 4, **self.backbone.channels}, width)
        self.decoder = Decoder(self.skip.channels, width, aligns=decoder == "fam")
        self.input_format = input_format
        self.io = ImageIO(channels=4)
        self._start()

    def forward(self, x: Tensor) -> Tensor:
        """Alpha (N, 1, H, W), neither squashed nor clamped.

        Args:
            x: (N, 4, H, W), as ``inputs`` makes it.
        """
        return self.decoder(self.features(x))

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """``stage0`` to ``stage5``, what the decoder reads of an input (N, 4, H, W)."""
        return self.skip(x, self.backbone(x))

    def inputs(self, image: Tensor, trimap: Tensor) -> Tensor:
        """The input (N, 4, H, W) of an image and its trimap.

        Args:
            image: (N, 3, H, W), RGB in [0, 1].
            trimap: (N, 1, H, W): 0 background, 128 / 255 unknown, 1 foreground.
        """
        mean, std = (image.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        image = (image - mean) / std
        # Mean and spread stay with their own colours.
        image = image.flip(1) if self.input_format == "BGR" else image
        return torch.cat([image, trimap.to(image)], 1)

    def _start(self) -> None:
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def load_encoder(net: LsaNet, path: str | Path) -> None:
    """Start the encoder of ``net`` from ImageNet's weights, in mmclassification's layout.

    The fourth input channel, the trimap, starts at zero.

    Args:
        net: of the published size.
        path: such as ``resnetv1d50_b32x8_imagenet_20210531-db14775a.pth``.

    Raises:
        DataError: the file cannot be used, or holds another network.
    """
    state = network_state(load_file(path), path)
    own = {name.removeprefix("backbone."): w for name, w in state.items() if "head." not in name}
    if _STEM not in own or own[_STEM].shape[1] != 3:
        raise DataError(
            f"{path}: not the weights of a ResNetV1d for images of 3 channels: they need "
            f"'backbone.{_STEM}' of shape (32, 3, 3, 3)."
        )
    load_into(net.backbone, _with_trimap(own), path)
    log.info("encoder: weights of %s loaded, %d entries left out.", path, len(state) - len(own))


def _with_trimap(state: Mapping[str, Tensor]) -> State:
    kernel = state[_STEM]
    return {**state, _STEM: torch.cat([kernel, torch.zeros_like(kernel[:, :1])], 1)}
