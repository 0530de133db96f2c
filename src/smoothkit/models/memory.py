"""How much memory a network needs for an image, found by watching it run."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_GIGABYTE = 2**30
# What no tensor shows: convolutions may lay their input out anew.
_HIDDEN_SHARE = 1.1


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages that operations make, as long as each lives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._live = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self._live += size
        self.peak = max(self.peak, self._live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def bytes_per_pixel(run: Callable[[Tensor], Any], probe: Callable[[int], Tensor]) -> float:
    """Memory that a network's activations take for each input pixel.

    Args:
        run: the network, as it will be called.
        probe: an input of the given side.
    """
    sides = (64, 128)
    peaks = []
    for side in sides:
        image = probe(side)
        with _LiveBytes() as live:
            run(image)
        peaks.append(live.peak)
    # Between two sizes, what does not grow with the image (converted weights) drops out.
    slope = (peaks[1] - peaks[0]) / (sides[1] ** 2 - sides[0] ** 2)
    return float(max(slope, 1.0) * _HIDDEN_SHARE)


def budget(device: torch.device) -> float:
    """Bytes that activations may take on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch keeps of earlier images counts as taken there, and is free for the next one.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return 0.7 * float(free + kept)
    # Large enough for the overlap of tiles not to cost more than the tiles, small enough for a
    # laptop with other things to do.
    return 1.5 * _GIGABYTE
