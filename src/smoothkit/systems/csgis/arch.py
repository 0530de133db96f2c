"""The variants of JESS-Net that the CSGIS-Net code holds.

All take images (N, in_c, H, W), of any size unless said otherwise; results are not clipped.
``forward`` returns edge logits, coarse image and residual as the published networks do, ``named``
adds the residual to the coarse image. The published CSGIS-Net is none of these, but JESS-Net.

Source: arXiv:2209.00977 and its code, whose parameter names these networks have.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from smoothkit.archs.hdc import (
    Descriptor,
    EdgeRefineNet,
    block_interpreter,
    chain_radius,
    edge_refine_parts,
    plain_interpreter,
    refiner,
)
from smoothkit.core.image_io import ImageIO
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.systems.csgis.attention import CBAM, ECA
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus
from smoothkit.systems.csgis.edge_guided import SMALLEST_SIDE, EdgeGuidedNonLocal
from smoothkit.systems.csgis.pyramid import PDPBlock
from smoothkit.systems.csgis.residual_dense import RDBlock

__all__ = [
    "CBAMSmoothingNet",
    "DeepLabV3Plus",
    "ECASmoothingNet",
    "EdgeGuidedSmoothingNet",
    "PDPSmoothingNet",
    "RDBSmoothingNet",
]


class _AttendingNet(EdgeRefineNet):
    """JESS-Net with a gate wherever maps are joined, named ``<name>1`` and ``<name>2``."""

    def __init__(
        self, sizes: tuple[int, int, int, int], gate: Callable[[int], nn.Module], name: str
    ) -> None:
        super().__init__(*edge_refine_parts(*sizes))
        in_c, out_c, dim, _ = sizes
        self._gates = (f"{name}1", f"{name}2")
        for gate_name, channels in zip(self._gates, (dim + 1, dim + 1 + out_c), strict=True):
            self.add_module(gate_name, gate(channels))
        self.io = ImageIO(channels=in_c)

    def attend_edges(self, joined: Tensor) -> Tensor:
        return getattr(self, self._gates[0])(joined)

    def attend_coarse(self, joined: Tensor) -> Tensor:
        return getattr(self, self._gates[1])(joined)


@ARCH_REGISTRY.register(aliases=("HDC_cbam",))
class CBAMSmoothingNet(_AttendingNet):
    """JESS-Net with attention to channels and pixels wherever maps are joined.

    The attention takes means and maxima over the whole map, so that an output pixel depends on the
    whole input: tiles do not give the whole image's result.

    Args:
        in_c, out_c: channels of the input and of the result.
        dim: channels of the features.
        num_block: number of blocks of the descriptor.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 12) -> None:
        super().__init__((in_c, out_c, dim, num_block), CBAM, "cbam")


@ARCH_REGISTRY.register
class ECASmoothingNet(_AttendingNet):
    """JESS-Net with attention to channels wherever maps are joined.

    Not compatible with the published ``HDC_att``, which cannot run and would draw its convolutions
    anew at every call; here they are part of the network and start as the identity. Tiles as for
    ``CBAMSmoothingNet``.

    Args:
        in_c, out_c: channels of the input and of the result.
        dim: channels of the features.
        num_block: number of blocks of the descriptor.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 12) -> None:
        super().__init__((in_c, out_c, dim, num_block), ECA, "eca")


@ARCH_REGISTRY.register(aliases=("PDP_edge_refine",))
class PDPSmoothingNet(EdgeRefineNet):
    """JESS-Net that interprets and refines with a pyramid of dilated convolutions each.

    Tiles as for ``CBAMSmoothingNet``, since the pyramids hold the same attention. The published
    program trains it with 20 blocks and tests it with 12.

    Args:
        in_c, out_c: channels of the input and of the result.
        dim: channels of the features.
        num_block: number of blocks of the descriptor.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 20) -> None:
        super().__init__(
            Descriptor(in_c, dim, num_block),
            plain_interpreter(dim, 1),
            block_interpreter(dim + 1, dim, out_c, block=PDPBlock, num_block=1),
            refiner(dim + 1 + out_c, dim, out_c, block=PDPBlock, num_block=1),
        )
        self.io = ImageIO(channels=in_c)


@ARCH_REGISTRY.register(aliases=("RDB_edge_refine",))
class RDBSmoothingNet(EdgeRefineNet):
    """JESS-Net that describes with residual dense blocks.

    Args:
        in_c, out_c: channels of the input and of the result.
        dim: channels of the features.
        num_block: number of blocks of the descriptor.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 12) -> None:
        super().__init__(*edge_refine_parts(in_c, out_c, dim, num_block, RDBlock, "des"))
        radius = chain_radius(self) - num_block * RDBlock.SIDE_RADIUS
        self.io = ImageIO(channels=in_c, radius=radius)


@ARCH_REGISTRY.register(aliases=("Edge_guided",))
class EdgeGuidedSmoothingNet(EdgeRefineNet):
    """JESS-Net that draws the coarse image from features gathered over the whole map.

    Which pixels gather from which is told by features and edge logits. Images need sides of 8 and
    more. Tiles as for ``CBAMSmoothingNet``.

    Args:
        in_c, out_c: channels of the input and of the result.
        dim: channels of the features.
        num_block: number of blocks of the descriptor.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 12) -> None:
        super().__init__(
            Descriptor(in_c, dim, num_block),
            plain_interpreter(dim, 1),
            block_interpreter(dim + 1, dim, out_c)[:7],  # to features: up to the last convolutions
            refiner(dim + 1 + out_c, dim, out_c),
        )
        self.egnl = EdgeGuidedNonLocal(dim)
        self.tail = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(inplace=True),
            nn.Conv2d(dim, out_c, 1, bias=False),
        )
        self.io = ImageIO(channels=in_c, min_size=SMALLEST_SIDE)

    def draw(self, joined: Tensor, edge_logits: Tensor) -> Tensor:
        return self.tail(self.egnl(self.interpreter2(joined), edge_logits))


ARCH_REGISTRY.note(
    "HDC_att",
    "The published HDC_att cannot run; 'ECASmoothingNet' has such attention, with weights that "
    "train. ",
)
