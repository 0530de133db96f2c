"""Noise and its blurred version, made on the spot."""

import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from smoothkit.core.errors import DataError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset


@DATASET_REGISTRY.register()
class NoiseDataset(ImageDataset):
    """Pairs of a noise image and the same blurred, different at every draw.

    Args:
        length: number of items.
        size: side of the images.
        nan_at: item whose ground truth is not a number.
        broken_at: item that cannot be read.
        bad_header_at: item that ``check`` finds.
        seconds: what an item takes.
        stuck_at: item that never comes.
    """

    def __init__(
        self,
        length: int = 10,
        size: int = 12,
        nan_at: int | None = None,
        broken_at: int | None = None,
        bad_header_at: int | None = None,
        seconds: float = 0.0,
        stuck_at: int | None = None,
    ) -> None:
        self.length = length
        self.size = size
        self.nan_at = nan_at
        self.broken_at = broken_at
        self.bad_header_at = bad_header_at
        self.seconds = seconds
        self.stuck_at = stuck_at

    def __len__(self) -> int:
        return self.length

    def check(self) -> list[tuple[int, str]]:
        at = self.bad_header_at
        return [] if at is None else [(at, f"item_{at}.png: a broken header.")]

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        time.sleep(3600 if index == self.stuck_at else self.seconds)
        path = f"item_{index}.png"
        if index == self.broken_at:
            raise DataError(f"{path}: cannot be decoded.")
        lq = torch.from_numpy(rng.random((3, self.size, self.size), dtype=np.float32))
        gt = F.avg_pool2d(F.pad(lq, (1, 1, 1, 1), mode="reflect"), 3, 1)
        if index == self.nan_at:
            gt = gt * float("nan")
        edge = (gt[:1] > 0.5).byte()
        return {"lq": lq, "gt": gt, "edge": edge, "lq_path": path, "gt_path": path}
