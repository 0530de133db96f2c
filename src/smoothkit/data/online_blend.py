"""Pairs blended while training, so that they need neither disk space nor decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.core.signature import read_section
from smoothkit.data.base import ImageDataset
from smoothkit.data.companion_kinds import ColorImages, Masks
from smoothkit.data.companions import Checker, named_companions
from smoothkit.data.decoded import DecodedImages
from smoothkit.data.patches import Pad, Patches
from smoothkit.data.store import open_store
from smoothkit.data.texture_draws import TextureRanges, apply_texture, sample_texture
from smoothkit.ops.augment import Border, Params
from smoothkit.ops.blend import EdgeChannel, edge_map, grey_texture
from smoothkit.ops.io import Alpha, Cmyk
from smoothkit.ops.labels import NUM_CLASSES
from smoothkit.ops.tensor import Color


@DATASET_REGISTRY.register
class OnlineBlendDataset(ImageDataset):
    """Each texture over each ground truth, blended anew for every item.

    Item ``t * N + b`` is texture t over ground truth b, of N, both in name order, as the blending
    script numbers its pairs. Items: ``lq`` and ``gt``, (3, H, W) float32 in [0, 1]; with edges
    ``edge``, (1, H, W) uint8 in {0, 1}; with masks ``segmentation``, (H, W) uint8 classes, 255 for
    none; with over-smoothed images ``over``, as ``gt``; ``gt_path`` the ground truth, ``lq_path``
    the texture. All of an item are moved alike, and its images change their colours alike.

    Args:
        dataroot_gt: folder or ``.lmdb`` of smooth 8-bit images.
        dataroot_texture: folder or ``.lmdb`` of 8-bit textures, repeated over the ground truth.
        patch_size: side of the patch; ~ takes whole images.
        augment: jitter size and colours, flip and rotate, as far as Easy2Hard does or a section of
            ``size``, ``angle``, ``hue``, ``contrast``, ``brightness``, ``quarters`` and ``recipe``
            says (``ops.augment.Ranges``; ``recipe: csgis`` is CSGIS-Net's way); else only a crop is
            taken.
        color: channel order of the items.
        edge: give the edges of the ground truth too.
        edge_channel: what they are taken from; see ``ops.blend.edge_map``.
        random_offset: lay the texture anywhere; else at the top left corner, as the script does.
        texture: a section of ``scale``, ``angle``, ``strength`` and ``color`` by which textures
            differ from their files (``TextureRanges``); ~ takes them as they are.
        cache: keep decoded images in memory, once per data worker.
        legacy_color_order: jitter colours as if blue were red, as the reference does.
        rotation_border: what comes in at the corners of a rotated patch.
        pad: ``reflect`` mirrors ground truths that are smaller than the patch; ~ refuses them.
        alpha, cmyk: refuse, or drop and convert.
        dataroot_segmentation: folder or ``.lmdb`` of masks, each with the name of its ground truth,
            as ``ops.labels.decode_labels`` reads them; ~: items without.
        num_classes: of the masks, with the background.
        dataroot_over: folder or ``.lmdb`` of over-smoothed images, each with the name of its ground
            truth; ~: items without.
        legacy_unaligned_negative: only crop the over-smoothed image, as the reference of CSGIS-Net
            does; then it is neither where the rest is nor has its colours.

    Raises:
        DataError: a folder is missing or has no images.
        OptionError: the options contradict each other.
    """

    optional: ClassVar[Mapping[str, str]] = {
        "edge": "edge",
        "segmentation": "dataroot_segmentation",
        "over": "dataroot_over",
    }

    def __init__(
        self,
        dataroot_gt: str,
        dataroot_texture: str,
        patch_size: int | None = 128,
        augment: bool | dict[str, Any] = False,
        color: Color = "rgb",
        edge: bool = True,
        edge_channel: EdgeChannel = "blue",
        random_offset: bool = False,
        texture: dict[str, Any] | None = None,
        cache: bool = True,
        legacy_color_order: bool = False,
        rotation_border: Border = "zero",
        pad: Pad | None = None,
        alpha: Alpha = "refuse",
        cmyk: Cmyk = "refuse",
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
        self._gts = DecodedImages(
            open_store(dataroot_gt, option="dataroot_gt"), np.asarray, alpha, cmyk, cache
        )
        self._textures = DecodedImages(
            open_store(dataroot_texture, option="dataroot_texture"),
            grey_texture,
            alpha,
            cmyk,
            cache,
        )
        self._companions = named_companions(
            {
                "segmentation": (dataroot_segmentation, Masks(num_classes)),
                "over": (dataroot_over, ColorImages(alpha, cmyk)),
            },
            is_cached=cache,
        )
        self._gives_edges = edge
        self._edge_channel: EdgeChannel = edge_channel
        self._has_random_offset = random_offset
        self._ranges = None if texture is None else read_section(TextureRanges, texture, "texture")

    def __len__(self) -> int:
        return len(self._gts) * len(self._textures)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        t, b = divmod(index, len(self._gts))
        grey, gt = self._textures.get(t), self._gts.get(b)
        if fault := self._patches.size_fault(*gt.shape[:2]):
            raise DataError(f"{self._gts.path(b)}: {fault}")
        companions = {
            key: images.read(self._gts.path(b), (gt.shape[0], gt.shape[1]))
            for key, images in self._companions.items()
        }
        gt = self._patches.padded(gt)
        window = self._patches.draw(rng, *gt.shape[:2])
        over = sample_texture(rng, grey.shape[0], grey.shape[1], self._ranges)
        if not self._has_random_offset:
            over = replace(over, row=0, col=0)
        blended = {"lq": apply_texture(grey, gt, over, window)}
        if self._gives_edges:
            blended["edge"] = edge_window(gt, window, self._edge_channel)
        item = self._patches.window_tensors(blended, window)
        item |= self._patches.tensors({"gt": gt, **companions}, window)
        return {**item, "lq_path": self._textures.path(t), "gt_path": self._gts.path(b)}

    def check(self) -> list[tuple[int, str]]:
        texture_faults = [self._textures.fault(t) for t in range(len(self._textures))]
        checkers = [companions.checker() for companions in self._companions.values()]
        gt_faults = [self._gt_fault(b, checkers) for b in range(len(self._gts))]
        for companions in self._companions.values():
            companions.tell_doubts()
        faults = (
            (t * len(gt_faults) + b, gt_fault or texture_fault)
            for t, texture_fault in enumerate(texture_faults)
            for b, gt_fault in enumerate(gt_faults)
        )
        return [(index, fault) for index, fault in faults if fault]

    def _gt_fault(self, b: int, checkers: Sequence[Checker]) -> str | None:
        """Why a ground truth, or what comes with it, cannot be used, or None."""
        if fault := self._gts.fault(b, self._patches.size_fault):
            return fault
        try:
            for check in checkers:
                header = self._gts.header(b)
                check(self._gts.path(b), (header.height, header.width))
        except DataError as error:
            return str(error)
        return None


def edge_window(gt: np.ndarray, window: Params, channel: EdgeChannel) -> np.ndarray:
    """A window of the edges of a ground truth, (h, w) uint8 in {0, 1}."""
    # With one pixel around it, where there is one, for the gradients at its border.
    top, left = min(window.row, 1), min(window.col, 1)
    around = gt[
        window.row - top : window.row + window.height + 1,
        window.col - left : window.col + window.width + 1,
    ]
    edges = edge_map(around, channel)[top : top + window.height, left : left + window.width]
    return (edges > 0).astype(np.uint8)
