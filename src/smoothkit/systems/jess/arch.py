"""The four networks of Easy2Hard, up to the complete JESS-Net.

All take images (N, in_c, H, W) of any size; results are not clipped. ``forward`` returns what the
published network returns, ``named`` gives those tensors their names.

Source: Easy2Hard, IEEE TNNLS 2021. The residual of JESS-Net is added by ``named``, as the published
programs add it outside of the network.
"""

from __future__ import annotations

from torch import Tensor, nn

from smoothkit.archs.hdc import (
    Descriptor,
    EdgeNet,
    EdgeRefineNet,
    ResBlock,
    block_interpreter,
    chain_radius,
    edge_refine_parts,
    plain_interpreter,
)
from smoothkit.core.image_io import ImageIO
from smoothkit.core.registry import ARCH_REGISTRY


class _ImageNet(nn.Module):
    """A descriptor and one interpreter, which gives the image."""

    def __init__(self, descriptor: nn.Module, interpreter: nn.Module) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.interpreter = interpreter

    def forward(self, x: Tensor) -> Tensor:
        """The smoothed image, (N, out_c, H, W)."""
        return self.interpreter(self.descriptor(x))

    def named(self, raw: Tensor) -> dict[str, Tensor]:
        """What ``forward`` returned, by the name that losses ask for."""
        return {"pred": raw}


@ARCH_REGISTRY.register(aliases=("Baseline",))
class SmoothingBaseline(_ImageNet):
    """Residual blocks without dilation.

    Args:
        in_c, out_c: channels of the input and of the result.
        dim: channels of the features.
        num_block: number of blocks of the descriptor.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 12) -> None:
        super().__init__(
            Descriptor(in_c, dim, num_block, block=ResBlock),
            block_interpreter(dim, dim, out_c, block=ResBlock),
        )
        self.io = ImageIO(channels=in_c, radius=chain_radius(self))


@ARCH_REGISTRY.register(aliases=("HDC", "HDR"))
class HDCNet(_ImageNet):
    """Hybrid dilated blocks, no edges. Arguments as for ``SmoothingBaseline``."""

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 20) -> None:
        super().__init__(Descriptor(in_c, dim, num_block), plain_interpreter(dim, out_c))
        self.io = ImageIO(channels=in_c, radius=chain_radius(self))


@ARCH_REGISTRY.register(aliases=("HDC_edge", "HDR_edge"))
class HDCEdgeNet(EdgeNet):
    """``HDCNet`` with an edge branch that guides the image. Arguments as for ``HDCNet``."""

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 20) -> None:
        super().__init__(
            Descriptor(in_c, dim, num_block),
            plain_interpreter(dim, 1),
            block_interpreter(dim + 1, dim, out_c),
        )
        self.io = ImageIO(channels=in_c, radius=chain_radius(self))


@ARCH_REGISTRY.register(aliases=("HDC_edge_refine", "HDR_edge_refine"))
class JESSNet(EdgeRefineNet):
    """Joint edge detection and structure-preserving smoothing: ``HDCEdgeNet`` and a refinement.

    Arguments as for ``HDCNet``. Easy2Hard publishes it with 20 blocks, CSGIS-Net trains it with 12.
    """

    def __init__(self, in_c: int = 3, out_c: int = 3, dim: int = 64, num_block: int = 20) -> None:
        super().__init__(*edge_refine_parts(in_c, out_c, dim, num_block))
        self.io = ImageIO(channels=in_c, radius=chain_radius(self))
