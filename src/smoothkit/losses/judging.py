"""The precision in which losses run the networks that they judge images by."""

from __future__ import annotations

from typing import Literal

import torch

from smoothkit.core.devices import choose_precision

Amp = Literal["off", "auto", "bf16"]


class Judging:
    """A context for running such a network, whatever precision the trained one has.

    Args:
        amp: ``off``: float32. ``bf16``: as fast as that is; ``auto``: bf16 where the hardware has
            it. What a loss makes of the network's results is computed in float32 all the same.
    """

    def __init__(self, amp: Amp) -> None:
        self._amp = amp
        self._dtypes: dict[torch.device, torch.dtype] = {}

    def on(self, device: torch.device) -> torch.autocast:
        """The context for tensors on ``device``."""
        if device not in self._dtypes:  # asked once: ``auto`` tells what it takes
            self._dtypes[device] = choose_precision(self._amp, device)
        dtype = self._dtypes[device]
        is_half = dtype != torch.float32
        return torch.autocast(device.type, dtype=dtype if is_half else None, enabled=is_half)
