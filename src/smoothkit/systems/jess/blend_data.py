"""Pairs blended while training, so that they need neither disk space nor decoding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.core.signature import read_section
from smoothkit.data.base import ImageDataset
from smoothkit.data.store import ImageStore, open_store
from smoothkit.ops.augment import Border, Params, crop
from smoothkit.ops.blend import EdgeChannel, edge_map, grey_texture, overlaid
from smoothkit.ops.io import Alpha, Cmyk, kind_fault
from smoothkit.ops.tensor import Color
from smoothkit.systems.jess.patches import Pad, Patches

_EQUAL = (1.0, 1.0, 1.0)
_DEPTH_FAULT = "must have 8 bits per channel, since pairs are blended in bytes, got 16."


@dataclass(frozen=True)
class TextureRanges:
    """How a texture may differ from the one in its file; by default in nothing.

    Args:
        scale: smallest and largest magnification, drawn evenly over their ratio.
        angle: largest rotation in degrees, either way.
        strength: smallest and largest factor on the deviation from the mean.
        color: by how much the factors of single channels may differ from 1, below 1.

    Raises:
        ValueError: out of range.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    angle: float = 0.0
    strength: tuple[float, float] = (1.0, 1.0)
    color: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "strength"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: must be two rising numbers above 0, got {low}, {high}.")
        if not 0 <= self.angle <= 180:
            raise ValueError(f"angle: must be between 0 and 180, got {self.angle}.")
        if not 0 <= self.color < 1:
            raise ValueError(f"color: must be at least 0 and below 1, got {self.color}.")


@dataclass(frozen=True)
class TextureParams:
    """One draw of how a texture lies over a ground truth.

    Args:
        row, col: of the texture's pixel that falls on the top left corner.
        scale: magnification.
        angle: in degrees, counter-clockwise, about that corner.
        gains: factors on the deviation from the mean, of blue, green and red.
    """

    row: int = 0
    col: int = 0
    scale: float = 1.0
    angle: float = 0.0
    gains: tuple[float, float, float] = _EQUAL


def sample_texture(
    rng: np.random.Generator, height: int, width: int, ranges: TextureRanges | None = None
) -> TextureParams:
    """A draw for a texture of this size."""
    row, col = int(rng.integers(height)), int(rng.integers(width))
    if ranges is None:
        return TextureParams(row, col)
    scale = math.exp(rng.uniform(*np.log(ranges.scale)))
    angle = float(rng.uniform(-ranges.angle, ranges.angle))
    gains = rng.uniform(*ranges.strength) * rng.uniform(1 - ranges.color, 1 + ranges.color, 3)
    blue, green, red = gains.tolist()
    return TextureParams(row, col, scale, angle, (blue, green, red))


def apply_texture(
    grey: np.ndarray, gt: np.ndarray, params: TextureParams, window: Params
) -> np.ndarray:
    """A window of the observation, (h, w, 3) uint8: what ``ops.blend.blend`` has there, rounded.

    Args:
        grey: (h, w) float32, the texture's grey levels.
        gt: (H, W, 3) uint8 BGR, the whole ground truth. The mean of the texture over it is removed;
            of a scaled or turned one that of the texture itself.
    """
    if params.scale == 1 and params.angle == 0:
        variation = _laid(grey, gt.shape[:2], params, window)
    else:
        variation = _turned(grey, params, window)
    is_grey = params.gains == _EQUAL
    planes = [variation] * 3 if is_grey else [variation * np.float32(g) for g in params.gains]
    return overlaid(crop(gt, window), planes)


def _laid(
    grey: np.ndarray, size: tuple[int, int], params: TextureParams, window: Params
) -> np.ndarray:
    """(h, w) deviation of the tiled texture from its mean over the whole of ``size``."""
    rows = (np.arange(size[0]) + params.row) % grey.shape[0]
    cols = (np.arange(size[1]) + params.col) % grey.shape[1]
    own_rows = rows[window.row : window.row + window.height]
    own_cols = cols[window.col : window.col + window.width]
    levels: np.ndarray = grey.take(own_rows, axis=0).take(own_cols, axis=1)
    return levels - _mean(grey, rows, cols)


def _turned(grey: np.ndarray, params: TextureParams, window: Params) -> np.ndarray:
    """(h, w) deviation from the mean of the texture under its rotation and scale."""
    radians = math.radians(params.angle)
    cos, sin = math.cos(radians) / params.scale, math.sin(radians) / params.scale
    y = np.arange(window.row, window.row + window.height, dtype=np.float32)[:, None]
    x = np.arange(window.col, window.col + window.width, dtype=np.float32)
    # Whole periods are taken off first: OpenCV reads coordinates in 16 bits.
    rows = (params.row + cos * y + sin * x) % grey.shape[0]
    cols = (params.col - sin * y + cos * x) % grey.shape[1]
    levels: np.ndarray = cv2.remap(
        grey,
        cols.astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return levels - np.float32(grey.mean())


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


def _mean(grey: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.float32:
    """Mean of ``grey[rows][:, cols]``, from how often each level occurs there."""
    row_counts = np.bincount(rows, minlength=grey.shape[0])
    col_counts = np.bincount(cols, minlength=grey.shape[1]).astype(np.float32)
    return np.float32(row_counts @ (grey @ col_counts).astype(np.float64) / rows.size / cols.size)


@DATASET_REGISTRY.register
class OnlineBlendDataset(ImageDataset):
    """Each texture over each ground truth, blended anew for every item.

    Item ``t * N + b`` is texture t over ground truth b, of N, both in name order, as the blending
    script numbers its pairs. Items: ``lq`` and ``gt``, (3, H, W) float32 in [0, 1]; with edges
    ``edge``, (1, H, W) uint8 in {0, 1}; ``gt_path`` the ground truth, ``lq_path`` the texture.

    Args:
        dataroot_gt: folder or ``.lmdb`` of smooth 8-bit images.
        dataroot_texture: folder or ``.lmdb`` of 8-bit textures, repeated over the ground truth.
        patch_size: side of the patch; ~ takes whole images.
        augment: jitter size and colours, flip and rotate, as far as the reference does or a section
            of ``size``, ``angle``, ``hue``, ``contrast``, ``brightness`` and ``quarters`` says
            (``ops.augment.Ranges``); else only a crop is taken.
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

    Raises:
        DataError: a folder is missing or has no images.
        OptionError: the options contradict each other.
    """

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
    ) -> None:
        self._patches = Patches(
            patch_size, augment, color, legacy_color_order, rotation_border, pad
        )
        self._gts = _Images(
            open_store(dataroot_gt, option="dataroot_gt"), np.asarray, alpha, cmyk, cache
        )
        self._textures = _Images(
            open_store(dataroot_texture, option="dataroot_texture"),
            grey_texture,
            alpha,
            cmyk,
            cache,
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
        gt = self._patches.padded(gt)
        window = self._patches.draw(rng, *gt.shape[:2])
        over = sample_texture(rng, grey.shape[0], grey.shape[1], self._ranges)
        if not self._has_random_offset:
            over = replace(over, row=0, col=0)
        item = self._patches.tensors(
            apply_texture(grey, gt, over, window),
            crop(gt, window),
            edge_window(gt, window, self._edge_channel) if self._gives_edges else None,
            window,
        )
        return {**item, "lq_path": self._textures.path(t), "gt_path": self._gts.path(b)}

    def check(self) -> list[tuple[int, str]]:
        texture_faults = [self._textures.fault(t) for t in range(len(self._textures))]
        gt_faults = [self._gts.fault(b, self._patches.size_fault) for b in range(len(self._gts))]
        faults = (
            (t * len(gt_faults) + b, gt_fault or texture_fault)
            for t, texture_fault in enumerate(texture_faults)
            for b, gt_fault in enumerate(gt_faults)
        )
        return [(index, fault) for index, fault in faults if fault]


class _Images:
    """8-bit images of a store by index, each decoded once where they are cached.

    Args:
        convert: what is kept of a decoded (H, W, 3) BGR image.
    """

    def __init__(
        self,
        store: ImageStore,
        convert: Callable[[np.ndarray], np.ndarray],
        alpha: Alpha,
        cmyk: Cmyk,
        is_cached: bool,
    ) -> None:
        self._store = store
        self._convert = convert
        self._alpha: Alpha = alpha
        self._cmyk: Cmyk = cmyk
        self._is_cached = is_cached
        self._cache: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._store.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}  # a worker fills its own

    def path(self, index: int) -> str:
        return self._store.path(self._store.names[index])

    def get(self, index: int) -> np.ndarray:
        if index in self._cache:
            return self._cache[index]
        image = self._store.read(self._store.names[index], alpha=self._alpha, cmyk=self._cmyk)
        if image.dtype != np.uint8:
            raise DataError(f"{self.path(index)}: {_DEPTH_FAULT}")
        image = self._convert(image)
        if self._is_cached:
            self._cache[index] = image
        return image

    def fault(
        self, index: int, size_fault: Callable[[int, int], str | None] | None = None
    ) -> str | None:
        """Why an image cannot be used as far as its header tells, or None."""
        try:
            header = self._store.header(self._store.names[index])
        except DataError as error:
            return str(error)
        fault = kind_fault(header, alpha=self._alpha, cmyk=self._cmyk)
        if not fault and header.depth != 8:
            fault = _DEPTH_FAULT
        if not fault and size_fault:
            fault = size_fault(header.height, header.width)
        return f"{self.path(index)}: {fault}" if fault else None
