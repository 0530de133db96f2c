"""Pairs on disk for texture removal.

A pair is one image, the ground truth in its left half and the observation in its right half.
Whatever reads it here follows the folder layout of ``data.prepare.blending.blend_folder``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Literal

import numpy as np

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.companion_kinds import ColorImages, EdgeMaps, Masks
from smoothkit.data.companions import Checker, numbered_companions
from smoothkit.data.patches import Pad, Patches
from smoothkit.data.protocols import by_number, by_stem
from smoothkit.data.store import open_store
from smoothkit.ops.augment import Border, Params
from smoothkit.ops.io import Alpha, kind_fault
from smoothkit.ops.labels import NUM_CLASSES
from smoothkit.ops.tensor import Color

_REFERENCE_SEED = 66


@DATASET_REGISTRY.register(
    aliases=[f"{phase}Dataset{mode}" for phase in ("Train", "Test") for mode in ("", *"ESF")]
)
class BlendedPairDataset(ImageDataset):
    """Pairs [ground truth | observation], each one image, in the order of their numbers.

    Items: ``lq`` and ``gt``, (3, H, W) float32 in [0, 1]; with edges ``edge``, (1, H, W) uint8 in
    {0, 1}; with masks ``segmentation``, (H, W) uint8 classes, 255 for none; with over-smoothed
    images ``over``, as ``gt``; ``lq_path`` and ``gt_path``, both the pair's file. All of an item
    are moved alike, and its images change their colours alike. Images of 16 bits keep their depth:
    colours are jittered in floating point there, in 8 bits as the reference does otherwise.

    Args:
        dataroot: folder or ``.lmdb`` of ``<number>.png``; only what stands before the first dot of
            a name is its number.
        dataroot_edge: folder or ``.lmdb`` of ``<k>.png``, the edges of ground truth k; pair i is of
            ground truth i modulo their count. ~: items without edges.
        patch_size: side of the patch; ~ takes whole images.
        augment: jitter size and colours, flip and rotate, as far as Easy2Hard does or a section of
            ``size``, ``angle``, ``hue``, ``contrast``, ``brightness``, ``quarters`` and ``recipe``
            says (``ops.augment.Ranges``; ``recipe: csgis`` is CSGIS-Net's way); else only a crop is
            taken.
        color: channel order of the items.
        crop: ``random``, or ``reference_val``: where the reference's validation crops lie when one
            process reads the pairs in order.
        legacy_color_order: jitter colours as if blue were red, as the reference does.
        rotation_border: what comes in at the corners of a rotated patch.
        pad: ``reflect`` mirrors images that are smaller than the patch; ~ refuses them.
        alpha: refuse or drop the alpha channel of pairs and over-smoothed images.
        dataroot_segmentation: folder or ``.lmdb`` of ``<k>.png``, the masks of ground truth k, as
            ``ops.labels.decode_labels`` reads them; ~: items without.
        num_classes: of the masks, with the background.
        dataroot_over: folder or ``.lmdb`` of ``<k>.png``, over-smoothed images of ground truth k;
            ~: items without.
        legacy_unaligned_negative: only crop the over-smoothed image, as the reference does; then
            it is neither where the rest is nor has its colours.

    Raises:
        DataError: a folder is missing, has no images or two of one name.
        OptionError: the options contradict each other.

    Source: Easy2Hard (IEEE TNNLS 2021), CSGIS-Net (arXiv 2209.00977). Differs: what comes with a
    ground truth is optional, the count of edges is not fixed at 200, every sample has random
    numbers of its own, all items have one channel order.
    """

    optional: ClassVar[Mapping[str, str]] = {
        key: f"dataroot_{key}" for key in ("edge", "segmentation", "over")
    }

    def __init__(
        self,
        dataroot: str,
        dataroot_edge: str | None = None,
        patch_size: int | None = 128,
        augment: bool | dict[str, Any] = False,
        color: Color = "rgb",
        crop: Literal["random", "reference_val"] = "random",
        legacy_color_order: bool = False,
        rotation_border: Border = "zero",
        pad: Pad | None = None,
        alpha: Alpha = "refuse",
        dataroot_segmentation: str | None = None,
        num_classes: int = NUM_CLASSES,
        dataroot_over: str | None = None,
        legacy_unaligned_negative: bool = False,
    ) -> None:
        self._patches = Patches(
            patch_size,
            augment,
            color,
            legacy_color_order,
            rotation_border,
            pad,
            legacy_unaligned_negative,
        )
        if crop == "reference_val" and (self._patches.ranges or patch_size is None):
            fault = "reference_val takes plain crops. Set a patch_size and 'augment: false'."
            raise OptionError([Fault("crop", fault)])
        self._uses_reference_crops = crop == "reference_val"
        self._alpha: Alpha = alpha
        self._pairs = open_store(dataroot)
        by_stem(self._pairs.names, self._pairs.root)  # results of twins would have one name
        self._names = sorted(self._pairs.names, key=by_number)
        self._companions = numbered_companions(
            {
                "edge": (dataroot_edge, EdgeMaps()),
                "segmentation": (dataroot_segmentation, Masks(num_classes)),
                "over": (dataroot_over, ColorImages(alpha)),
            }
        )

    def __len__(self) -> int:
        return len(self._names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        path = self._pairs.path(self._names[index])
        pair = self._pairs.read(self._names[index], alpha=self._alpha)
        height, width = self._half_size(path, *pair.shape[:2])
        images = {"lq": pair[:, width:], "gt": pair[:, :width]}
        for key, companions in self._companions.items():
            images[key] = companions.read(path, (height, width))
        params = self._draw(index, rng, *self._patches.padded_size(height, width))
        item = self._patches.tensors(images, params)
        return {**item, "lq_path": path, "gt_path": path}

    def check(self) -> list[tuple[int, str]]:
        checkers = [companions.checker() for companions in self._companions.values()]
        faults = check_each(self._names, partial(self._check, checkers))
        for companions in self._companions.values():
            companions.tell_doubts()
        return faults

    def _check(self, checkers: Sequence[Checker], name: str) -> None:
        path, header = self._pairs.path(name), self._pairs.header(name)
        if fault := kind_fault(header, alpha=self._alpha):
            raise DataError(f"{path}: {fault}")
        size = self._half_size(path, header.height, header.width)
        for check in checkers:
            check(path, size)

    def _half_size(self, path: str, height: int, width: int) -> tuple[int, int]:
        """Height and width of one half of a pair; refuses sizes that cannot be used."""
        if width % 2:
            raise DataError(
                f"{path}: must have an even width, two images side by side, got {width}."
            )
        if fault := self._patches.size_fault(height, width // 2):
            raise DataError(f"{path}: {fault}")
        return height, width // 2

    def _draw(self, index: int, rng: np.random.Generator, height: int, width: int) -> Params:
        if self._uses_reference_crops:
            return self._reference_crops[index]
        return self._patches.draw(rng, height, width)

    @cached_property
    def _reference_crops(self) -> list[Params]:
        """The crops of all pairs, replayed from their sizes, since each depends on those before."""
        state = np.random.RandomState(_REFERENCE_SEED)
        patch = self._patches.patch_size or 0
        crops = []
        for name in self._names:
            # Reference quirk: the last position is never taken. Here it is if it is the only one.
            row, col = (
                int(state.randint(side - patch)) if side > patch else 0
                for side in self._padded_sides(name)
            )
            crops.append(Params(patch, patch, row, col))
        return crops

    def _padded_sides(self, name: str) -> tuple[int, int]:
        try:
            header = self._pairs.header(name)
        except DataError:
            return 0, 0  # a pair that cannot be read draws nothing; check() and get() name it
        return self._patches.padded_size(header.height, header.width // 2)
