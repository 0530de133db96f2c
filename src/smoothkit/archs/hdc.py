"""Hybrid dilated convolution blocks, and the nets that describe an image and interpret it.

A net of this family is a descriptor, which turns the image into features at full resolution, and
interpreters, which turn features into images or edge logits. There is no skip from the input image
to the output. Parameter names are those of the published checkpoints.

Source: Easy2Hard, IEEE TNNLS 2021; CSGIS-Net (arXiv:2209.00977) builds on the same parts.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def conv3x3(in_c: int, out_c: int, dilation: int = 1) -> nn.Conv2d:
    """3 x 3 convolution with bias that keeps the image size (zero padding)."""
    return nn.Conv2d(in_c, out_c, 3, padding=dilation, dilation=dilation)


def conv_bn_relu(in_c: int, out_c: int) -> list[nn.Module]:
    """Three layers to unpack into a Sequential, so that its indices are the published ones."""
    return [conv3x3(in_c, out_c), nn.BatchNorm2d(out_c), nn.ReLU(inplace=True)]


class ResBlock(nn.Module):
    """Three convolutions, each with batch normalisation and ReLU, plus the identity.

    Shape: (N, dim, H, W) in and out.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers = (layer for _ in range(3) for layer in conv_bn_relu(dim, dim))
        self.triple_conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.triple_conv(x)


class HDCBlock(nn.Module):
    """Residual block whose three convolutions have dilations 1, 2 and 3.

    They cover 13 x 13 pixels without the holes that equal dilations would leave. Nothing follows
    the sum. Shape: (N, dim, H, W) in and out.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv_3x3_1 = conv3x3(dim, dim, dilation=1)
        self.bn_conv_3x3_1 = nn.BatchNorm2d(dim)
        self.conv_3x3_2 = conv3x3(dim, dim, dilation=2)
        self.bn_conv_3x3_2 = nn.BatchNorm2d(dim)
        self.conv_3x3_3 = conv3x3(dim, dim, dilation=3)
        self.bn_conv_3x3_3 = nn.BatchNorm2d(dim)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.relu(self.bn_conv_3x3_1(self.conv_3x3_1(x)))
        residual = self.relu(self.bn_conv_3x3_2(self.conv_3x3_2(residual)))
        residual = self.relu(self.bn_conv_3x3_3(self.conv_3x3_3(residual)))
        return x + residual


class Descriptor(nn.Module):
    """Features of an image: one convolution, then ``num_block`` blocks.

    Args:
        in_c: channels of the image.
        dim: channels of the features.
        num_block: number of blocks.
        block: class of the blocks, built with ``dim``.
        blocks_name: of the list of blocks, ``res16`` in most published checkpoints, whatever its
            length.
    """

    def __init__(
        self,
        in_c: int,
        dim: int,
        num_block: int,
        block: type[nn.Module] = HDCBlock,
        blocks_name: str = "res16",
    ) -> None:
        super().__init__()
        self.conv_in = conv3x3(in_c, dim)
        self._blocks_name = blocks_name
        self.add_module(blocks_name, nn.Sequential(*(block(dim) for _ in range(num_block))))

    def forward(self, image: Tensor) -> Tensor:
        return getattr(self, self._blocks_name)(self.conv_in(image))


def plain_interpreter(dim: int, out_c: int) -> nn.Sequential:
    """Features to ``out_c`` channels by three convolutions."""
    return nn.Sequential(
        *conv_bn_relu(dim, dim),
        *conv_bn_relu(dim, dim),
        conv3x3(dim, out_c),
    )


def block_interpreter(
    in_c: int, dim: int, out_c: int, block: type[nn.Module] = HDCBlock, num_block: int = 3
) -> nn.Sequential:
    """Features to ``out_c`` channels by blocks between convolutions."""
    return nn.Sequential(
        *conv_bn_relu(in_c, dim),
        *(block(dim) for _ in range(num_block)),
        *conv_bn_relu(dim, dim),
        conv3x3(dim, out_c),
    )


def refiner(
    in_c: int, dim: int, out_c: int, block: type[nn.Module] = HDCBlock, num_block: int = 6
) -> nn.Sequential:
    """Features and a coarse image to what the image lacks, by blocks."""
    return nn.Sequential(
        *conv_bn_relu(in_c, dim),
        *(block(dim) for _ in range(num_block)),
        conv3x3(dim, out_c),
    )


class EdgeNet(nn.Module):
    """Edges from the features, then the image from features and edges.

    Args:
        descriptor: image to features.
        interpreter1: features to one channel of edge logits.
        interpreter2: features and edge logits, in this order, to the image.
    """

    def __init__(
        self, descriptor: nn.Module, interpreter1: nn.Module, interpreter2: nn.Module
    ) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.interpreter1 = interpreter1
        self.interpreter2 = interpreter2

    def interpret(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features joined with edge logits (N, dim + 1, H, W), edge logits, image."""
        # One name for features alone and joined, so that the former do not stay in memory.
        features = self.descriptor(x)
        edge_logits = self.interpreter1(features)
        features = torch.cat([features, edge_logits], dim=1)
        features = self.attend_edges(features)
        return features, edge_logits, self.draw(features, edge_logits)

    def attend_edges(self, joined: Tensor) -> Tensor:
        """Features joined with edge logits as all that follows sees them; for subclasses."""
        return joined

    def draw(self, joined: Tensor, edge_logits: Tensor) -> Tensor:
        """The image from features joined with edge logits; for subclasses."""
        return self.interpreter2(joined)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Edge logits (N, 1, H, W), image (N, out_c, H, W)."""
        _, edge_logits, image = self.interpret(x)
        return edge_logits, image

    def named(self, raw: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """What ``forward`` returned, by the names that losses ask for."""
        edge_logits, image = raw
        return {"pred": image, "edge_logits": edge_logits}


class EdgeRefineNet(EdgeNet):
    """An ``EdgeNet`` whose image is coarse and gets a residual added.

    Args:
        descriptor, interpreter1, interpreter2: as in ``EdgeNet``.
        refine: features, edge logits and coarse image, in this order, to the residual.
    """

    def __init__(
        self,
        descriptor: nn.Module,
        interpreter1: nn.Module,
        interpreter2: nn.Module,
        refine: nn.Module,
    ) -> None:
        super().__init__(descriptor, interpreter1, interpreter2)
        self.refine = refine

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Edge logits (N, 1, H, W), coarse image and residual (N, out_c, H, W); add these two."""
        joined, edge_logits, coarse = self.interpret(x)
        joined = torch.cat([joined, coarse], dim=1)
        joined = self.attend_coarse(joined)
        return edge_logits, coarse, self.refine(joined)

    def attend_coarse(self, joined: Tensor) -> Tensor:
        """All that ``refine`` gets, as it sees it; for subclasses."""
        return joined

    def named(self, raw: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        """What ``forward`` returned, by the names that losses ask for."""
        edge_logits, coarse, residual = raw
        return {"pred": coarse + residual, "edge_logits": edge_logits, "coarse": coarse}


def edge_refine_parts(
    in_c: int,
    out_c: int,
    dim: int,
    num_block: int,
    block: type[nn.Module] = HDCBlock,
    blocks_name: str = "res16",
) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """Descriptor, both interpreters and refiner of JESS-Net, for ``EdgeRefineNet``.

    Args:
        in_c, out_c, dim, num_block: as for JESS-Net.
        block, blocks_name: of the descriptor.
    """
    return (
        Descriptor(in_c, dim, num_block, block, blocks_name),
        plain_interpreter(dim, 1),
        block_interpreter(dim + 1, dim, out_c),
        refiner(dim + 1 + out_c, dim, out_c),
    )


def chain_radius(net: nn.Module) -> int:
    """How far an output pixel sees, for a net with a path through all of its convolutions.

    Each widens the view by its dilation times half its kernel. The nets here have such a path, as
    every interpreter reads what the one before it wrote; it is too wide for parallel branches.
    """
    convs = (module for module in net.modules() if isinstance(module, nn.Conv2d))
    return sum(conv.dilation[0] * (conv.kernel_size[0] // 2) for conv in convs)


def read_sizes(
    state: Mapping[str, Tensor], last: str, blocks_name: str = "res16"
) -> dict[str, int]:
    """Constructor arguments of the network with these weights.

    Args:
        state: names and weights.
        last: name of the last layer's weight, which tells ``out_c``.
        blocks_name: of the descriptor's list of blocks.
    """
    dim, in_c = state["descriptor.conv_in.weight"].shape[:2]
    prefix = f"descriptor.{blocks_name}."
    blocks = {name[len(prefix) :].partition(".")[0] for name in state if name.startswith(prefix)}
    return {"in_c": in_c, "out_c": state[last].shape[0], "dim": dim, "num_block": len(blocks)}
