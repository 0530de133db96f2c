"""A pool of training samples that mixes degradations within a batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothkit.core.errors import Fault, OptionError

log = logging.getLogger(__name__)


class PairPool:
    """Samples kept together, all of their tensors, and given out again in random order.

    While it fills, batches pass unchanged and are kept. Once full, a batch is exchanged for as many
    samples drawn from the pool. Bytes stay bytes.

    Args:
        size: samples; a multiple of the batch.

    Source: Real-ESRGAN (Wang et al., 2021), and HGGT's published code, whose pool keeps labels too.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._held: dict[str, Tensor] = {}
        self._order = np.arange(size)
        self._count = 0

    def exchange(self, batch: Mapping[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        """Put a batch in and take one out.

        Args:
            batch: tensors whose first side is the sample's, of the same names and shapes each time.
            rng: of the order.

        Raises:
            OptionError: the pool's size is no multiple of the batch.
        """
        count = len(next(iter(batch.values())))
        if faults := pool_faults(self.size, count):
            raise OptionError(faults)
        if self._held and _layout(self._held) != _layout(batch):
            log.warning("the pool holds samples of another kind or size: it fills anew.")
            self._held, self._count = {}, 0
        if not self._held:
            self._held = {
                name: value.new_empty((self.size, *value.shape[1:]))
                for name, value in batch.items()
            }
        if self._count < self.size:
            # After a resume with another batch the last one may not fit whole.
            places = np.arange(self._count, min(self._count + count, self.size))
            self._store(places, {name: value[: len(places)] for name, value in batch.items()})
            self._count += len(places)
            return dict(batch)
        # Where samples stand does not matter, only their order, which costs nothing to change.
        self._order = self._order[rng.permutation(self.size)]
        places = self._order[:count]
        index = torch.from_numpy(places)
        taken = {name: held[index.to(held.device)] for name, held in self._held.items()}
        self._store(places, batch)
        return taken

    def state_dict(self) -> dict[str, Any]:
        """The samples that are in it, and their order."""
        held = {name: value[: self._count].cpu().clone() for name, value in self._held.items()}
        return {"held": held, "order": torch.from_numpy(self._order.copy()), "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from ``state_dict``; a pool of another size starts empty."""
        order = state["order"].numpy()
        if len(order) != self.size:
            log.warning("the pool had %d samples, now %d: it fills anew.", len(order), self.size)
            return
        self._order, self._count = order.copy(), state["count"]
        self._held = {}
        for name, value in state["held"].items():
            held = torch.empty((self.size, *value.shape[1:]), dtype=value.dtype, device=device)
            held[: self._count] = value.to(device)
            self._held[name] = held

    def _store(self, places: np.ndarray, batch: Mapping[str, Tensor]) -> None:
        index = torch.from_numpy(places)
        for name, held in self._held.items():
            held[index.to(held.device)] = batch[name]


def _layout(samples: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: (value.shape[1:], value.dtype) for name, value in samples.items()}


def pool_faults(size: int, count: int) -> list[Fault]:
    """Why a pool of ``size`` samples does not serve batches of ``count``, if so."""
    if size % count == 0:
        return []
    below = size // count * count
    nearest = " or ".join(str(n) for n in (below, below + count) if n)
    message = f"must be a multiple of the batch ({count}), got {size}. Take {nearest}."
    return [Fault("degradation.pool_size", message)]
