"""Test sets of image smoothing: inputs and ground truths in two folders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.protocols import (
    Protocol,
    by_stem,
    ground_truth_name,
    ground_truth_stem,
    number_of,
)
from smoothkit.data.store import open_store
from smoothkit.ops.io import Alpha, kind_fault, to_float
from smoothkit.ops.tensor import Color, to_tensor


@DATASET_REGISTRY.register
class SmoothingTestDataset(ImageDataset):
    """Whole images to smooth, with their ground truths where there are some.

    Items: ``lq``, with ground truths ``gt``, (3, H, W) float32 in [0, 1]; ``lq_path``, ``gt_path``.

    Args:
        dataroot_lq: folder or ``.lmdb`` of the inputs.
        dataroot_gt: of the ground truths, in any image format; ~: images are smoothed only.
        protocol: how an input's name tells its ground truth: ``name`` (the same), ``nks``
            (``12_3.png`` is of ``12``), ``voc`` (its number modulo ``num_gt``).
        num_gt: ground truths of the set, under ``voc``.
        crop_right_half: the inputs are pairs; the observation is their right half.
        color: channel order of the items.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: a folder is missing or has no images, or two of its images have one name.

    Source: CSGIS-Net (arXiv 2209.00977), published evaluation code.
    """

    def __init__(
        self,
        dataroot_lq: str,
        dataroot_gt: str | None = None,
        protocol: Protocol = "name",
        num_gt: int = 150,
        crop_right_half: bool = False,
        color: Color = "rgb",
        alpha: Alpha = "refuse",
    ) -> None:
        if num_gt < 1:
            raise OptionError([Fault("num_gt", f"must be 1 or more, got {num_gt}.")])
        self._inputs = open_store(dataroot_lq, option="dataroot_lq")
        by_stem(self._inputs.names, self._inputs.root)  # results of twins would have one name
        self._truths = open_store(dataroot_gt, option="dataroot_gt") if dataroot_gt else None
        self._held = by_stem(self._truths.names, self._truths.root) if self._truths else {}
        if protocol == "voc":
            _refuse_more(self._held, num_gt)
        self._protocol: Protocol = protocol
        self._num_gt = num_gt
        self._crops = crop_right_half
        self._color: Color = color
        self._alpha: Alpha = alpha

    def __len__(self) -> int:
        return len(self._inputs.names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        name = self._inputs.names[index]
        path = self._inputs.path(name)
        image = self._inputs.read(name, alpha=self._alpha)
        image = image[:, self._left(path, image.shape[1]) :]
        item = {"lq": to_tensor(to_float(image), self._color), "lq_path": path}
        if self._truths is not None:
            truth = self._truth(name)
            gt = self._truths.read(truth, alpha=self._alpha)
            self._check_size(truth, gt.shape[:2], path, image.shape[:2])
            item["gt"] = to_tensor(to_float(gt), self._color)
            item["gt_path"] = self._truths.path(truth)
        return item

    def lonely_truths(self) -> list[str]:
        """Paths of the ground truths that no input belongs to."""
        if self._truths is None:
            return []
        wanted = {
            ground_truth_stem(name, self._protocol, self._num_gt)
            for name in self._inputs.names
            if self._protocol != "voc" or number_of(name) is not None
        }
        return [self._truths.path(n) for stem, n in self._held.items() if stem not in wanted]

    def check(self) -> list[tuple[int, str]]:
        return check_each(self._inputs.names, self._check)

    def _check(self, name: str) -> None:
        path, header = self._inputs.path(name), self._inputs.header(name)
        if fault := kind_fault(header, alpha=self._alpha):
            raise DataError(f"{path}: {fault}")
        left = self._left(path, header.width)
        if self._truths is None:
            return
        truth = self._truth(name)
        found = self._truths.header(truth)
        if fault := kind_fault(found, alpha=self._alpha):
            raise DataError(f"{self._truths.path(truth)}: {fault}")
        size = (header.height, header.width - left)
        self._check_size(truth, (found.height, found.width), path, size)

    def _left(self, path: str, width: int) -> int:
        """Column at which the observation begins."""
        if self._crops and width < 2:
            raise DataError(f"{path}: must be a pair, two images side by side, is 1 pixel wide.")
        return width // 2 if self._crops else 0

    def _truth(self, name: str) -> str:
        assert self._truths is not None
        return ground_truth_name(name, self._held, self._truths.root, self._protocol, self._num_gt)

    def _check_size(
        self, truth: str, size: tuple[int, ...], path: str, wanted: tuple[int, ...]
    ) -> None:
        if size != wanted:
            assert self._truths is not None
            raise DataError(
                f"{self._truths.path(truth)}: must have the size of {path}, "
                f"{wanted[0]}x{wanted[1]}, got {size[0]}x{size[1]}."
            )


def _refuse_more(held: Mapping[str, str], num_gt: int) -> None:
    """More ground truths than counted: numbers modulo ``num_gt`` would be those of others."""
    largest = max((int(stem) for stem in held if stem.isdecimal()), default=-1)
    if largest >= num_gt:
        message = f"must be the number of ground truths, of which there is {largest}, got {num_gt}."
        raise OptionError([Fault("num_gt", f"{message} They are counted from 0.")])
