"""The data set of enhancement: whole ground truths, to be degraded on the training device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.moves import Moves, check_kind
from smoothkit.data.store import ImageStore, listed_store, open_store
from smoothkit.ops.io import Alpha


@DATASET_REGISTRY.register
class EnhancementDataset(ImageDataset):
    """Ground truths alone, all of a folder or those that a list names.

    Items: ``gt``, (3, H, W) uint8, or float32 in [0, 1] of 16-bit files, RGB; ``gt_path``.

    Args:
        dataroot_gt: folder or ``.lmdb``.
        meta_info: text file with a path below ``dataroot_gt`` in each line; ~: all images below it.
            An lmdb has a list of its own.
        use_hflip: mirror half of the samples.
        use_rot: turn and transpose them too.
        crop_pad_size: side of a random crop, to which smaller images are mirrored at the bottom and
            right; ~: whole images, which then need one size in a batch, with equal sides where
            ``use_rot`` transposes them.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: the folder or the list is missing or has no images.
        OptionError: a list for an lmdb, or a crop below 1.

    Source: HGGT (arXiv 2303.13069), published code. Differs: kernels are not drawn with an item,
    but by ``degradation``, for the batch; an image that cannot be read is an error, not replaced by
    another one.
    """

    def __init__(
        self,
        dataroot_gt: str,
        meta_info: str | None = None,
        use_hflip: bool = True,
        use_rot: bool = True,
        crop_pad_size: int | None = None,
        alpha: Alpha = "refuse",
    ) -> None:
        if crop_pad_size is not None and crop_pad_size < 1:
            message = f"must be 1 or more, got {crop_pad_size}. Leave it out for whole images."
            raise OptionError([Fault("crop_pad_size", message)])
        self._store = _store(dataroot_gt, meta_info)
        self._moves = Moves(use_hflip, use_rot, crop_pad_size, option="crop_pad_size")
        self._side, self._alpha = crop_pad_size, alpha

    def __len__(self) -> int:
        return len(self._store.names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        name = self._store.names[index]
        image = self._store.read(name, alpha=self._alpha)
        (gt,) = self._moves([_padded(image, self._side or 0)], rng)
        return {"gt": gt, "gt_path": self._store.path(name)}

    def check(self) -> list[tuple[int, str]]:
        sizes: dict[str, tuple[int, int]] = {}

        def check(name: str) -> None:
            path, header = self._store.path(name), self._store.header(name)
            check_kind(path, header, self._alpha)
            if self._side is None:
                self._moves.check(path, header, sizes)

        return check_each(self._store.names, check)


def _store(root: str, meta_info: str | None) -> ImageStore:
    if meta_info is None:
        return open_store(root, option="dataroot_gt", is_recursive=True)
    if root.endswith(".lmdb"):
        raise OptionError([Fault("meta_info", f"{root} has a list of its own. Remove this one.")])
    if not Path(root).is_dir():
        raise DataError(f"dataroot_gt: no such folder, got {root}.")
    return listed_store(root, meta_info, option="meta_info")


def _padded(image: np.ndarray, side: int) -> np.ndarray:
    """The image, mirrored at the bottom and right up to ``side``."""
    missing = [max(0, side - length) for length in image.shape[:2]]
    if not any(missing):
        return image
    return cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_REFLECT_101)
