"""Networks of BasicSR's under names and constructors of ours."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from smoothkit.core.basicsr_compat import basicsr_part


class BorrowedNetwork(nn.Module):
    """A network of BasicSR's, which is imported when one is built and not before.

    Args:
        module, name: where BasicSR has its class.
        options: of its constructor.
    """

    def __init__(self, module: str, name: str, **options: Any) -> None:
        super().__init__()
        net = basicsr_part(module, name)(**options)
        # Its parts are ours, under their own names; itself it is only their order in ``forward``.
        self.__dict__["_net"] = net
        for key, part in net.named_children():
            self.add_module(key, part)

    def forward(self, x: Tensor) -> Tensor:
        """What BasicSR's network makes of ``x``."""
        result: Tensor = self.__dict__["_net"](x)
        return result
