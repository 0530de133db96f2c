"""A network that trains in milliseconds."""

from torch import Tensor, nn

from smoothkit.core.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register(aliases=("tiny_net",))
class TinyNet(nn.Module):
    """Two convolutions, with BatchNorm between them where asked for."""

    def __init__(self, width: int = 4, use_norm: bool = False) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(width) if use_norm else nn.Identity()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), norm, nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1)
        )
        self.edge = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.edge(x), self.body(x)

    def named(self, raw: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"edge_logits": raw[0], "pred": raw[1]}
