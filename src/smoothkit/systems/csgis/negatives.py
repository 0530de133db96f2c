"""Which images a training step keeps away from: the input, or what was smoothed too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class NegativeOptions:
    """Where negatives come from.

    Args:
        source: ``input``: the textured image that the network gets. ``over``: the over-smoothed one
            of the data set. ``either``: one of them, as likely. ``both``: two negatives each.
        per: draw of ``either``: one for all samples of a batch, as published, or one for each.

    Source: CSGIS-Net (arXiv:2209.00977); its published code draws once per batch.
    """

    source: Literal["input", "over", "either", "both"] = "either"
    per: Literal["batch", "sample"] = "batch"

    given: ClassVar[tuple[str, ...]] = ()

    @property
    def needs_over(self) -> bool:
        """Whether the data set has to give ``over``."""
        return self.source != "input"


def draw(options: NegativeOptions, count: int, generator: torch.Generator | None = None) -> Tensor:
    """For each negative of each sample, whether it is the over-smoothed image.

    Args:
        options: what to draw among; only ``either`` takes random numbers.
        count: samples of the batch, N.
        generator: on the CPU; torch's global one by default, which checkpoints keep.

    Returns:
        (N, 1) bool on the CPU, (N, 2) for ``both``.
    """
    if options.source == "either":
        size = count if options.per == "sample" else 1
        return (torch.rand(size, 1, generator=generator) < 0.5).expand(count, 1)
    choice = {"input": [False], "over": [True], "both": [False, True]}[options.source]
    return torch.tensor(choice).expand(count, len(choice))


def negatives_of(batch: Mapping[str, Any], is_over: Tensor) -> Tensor:
    """(N, 3, H, W) negatives, or (N, K, 3, H, W) for a draw of several.

    Args:
        batch: ``lq`` and, where the draw needs it, ``over``, (N, 3, H, W) each.
        is_over: what ``draw`` gave.
    """
    columns = [_chosen(batch, column) for column in is_over.unbind(1)]
    return columns[0] if len(columns) == 1 else torch.stack(columns, 1)


def _chosen(batch: Mapping[str, Any], is_over: Tensor) -> Tensor:
    # The draw lies on the CPU, so that asking for its values waits for no device.
    if is_over.all():
        return batch["over"]  # type: ignore[no-any-return]
    if not is_over.any():
        return batch["lq"]  # type: ignore[no-any-return]
    mask = is_over.view(-1, 1, 1, 1).to(batch["lq"].device)
    return torch.where(mask, batch["over"], batch["lq"])
