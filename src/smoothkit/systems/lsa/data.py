"""Data sets of matting: composed training images, given trimaps, and test sets."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.ops.io import Alpha, to_float
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.composition_data import MattingCompositionDataset
from smoothkit.systems.lsa.fine_tuning import MattingTrimapDataset
from smoothkit.systems.lsa.trimap import Levels
from smoothkit.systems.lsa.triples import Layout, Triples, find_folders

__all__ = ["MattingCompositionDataset", "MattingTestDataset", "MattingTrimapDataset"]


@DATASET_REGISTRY.register
class MattingTestDataset(ImageDataset):
    """Whole images with a trimap each, and with alphas where there are some.

    Items, float32 in [0, 1]: ``lq``, (3, H, W); ``trimap``, (1, H, W) in {0, 128/255, 1}; with
    alphas ``gt``, (1, H, W); ``lq_path``, ``trimap_path`` and, with alphas, ``gt_path``. A trimap
    without unknown pixels, or with no others, is taken with a warning.

    Args:
        dataroot: folder in one of the layouts; the three options that follow may replace its
            folders.
        dataroot_image: folder or ``.lmdb`` of images.
        dataroot_trimap: of trimaps, by the images' names, in any format; ``x_3.png`` takes that of
            ``x.png`` where it has none.
        dataroot_alpha: of alphas, in the same way.
        layout: ``composition`` has ``merged``, ``trimaps`` and ``alpha_copy``; ``alphamatting`` has
            ``input_lowres``, ``trimap_lowres/Trimap1`` and so on; ``alphamatting_training`` has
            ``input_training_lowres``, ``trimap_training_lowres/Trimap1``, ``gt_training_lowres``.
        trimap_set: which trimaps of alphamatting.com.
        levels: refuse trimaps with levels other than 0, 128 and 255, or snap them: below 50
            background, above 200 foreground. The published network sees them as they are.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: a folder is missing or has no images, or images lack a partner; names them.
        OptionError: neither ``dataroot`` nor images and trimaps are given.
    """

    def __init__(
        self,
        dataroot: str | None = None,
        dataroot_image: str | None = None,
        dataroot_trimap: str | None = None,
        dataroot_alpha: str | None = None,
        layout: Layout = "composition",
        trimap_set: Literal[1, 2, 3] = 1,
        levels: Levels = "refuse",
        alpha: Alpha = "refuse",
    ) -> None:
        folders = find_folders(
            dataroot,
            layout,
            [trimap_set],
            images=dataroot_image,
            trimaps=[dataroot_trimap] if dataroot_trimap else None,
            alphas=dataroot_alpha,
        )
        self._triples = Triples(folders, levels=levels, alpha=alpha)

    def __len__(self) -> int:
        return len(self._triples.names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        triple = self._triples.read(self._triples.names[index])
        images = {"lq": triple.image, "trimap": triple.trimap, "gt": triple.alpha}
        tensors = {
            key: to_tensor(to_float(image)) for key, image in images.items() if image is not None
        }
        return {**tensors, **triple.paths}

    def check(self) -> list[tuple[int, str]]:
        return check_each(self._triples.names, self._triples.check)
