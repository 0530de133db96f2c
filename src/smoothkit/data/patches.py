"""From images to the tensors of one training item, for every data set of blended pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.signature import read_section
from smoothkit.ops.augment import (
    Border,
    Params,
    Ranges,
    apply_color,
    apply_geometry,
    crop,
    sample,
    sample_crop,
)
from smoothkit.ops.io import to_float
from smoothkit.ops.jitter import Order
from smoothkit.ops.tensor import Color, to_tensor

Pad = Literal["reflect"]


@dataclass(frozen=True)
class Patches:
    """How an item is cut out and augmented.

    Args:
        patch_size: side of the patch; None takes whole images.
        augment: true: size jitter, flip, rotation and colour jitter, as far as the reference goes;
            a section of ``ops.augment.Ranges``: as far as it says; false: only a crop.
        color: channel order of the tensors.
        is_legacy_color_order: jitter colours as if blue were red, as the reference does.
        rotation_border: what comes in at the corners.
        pad: mirror an image whose side is below the patch; None: it cannot be used.
        is_legacy_unaligned_negative: only crop the over-smoothed image, as the reference of
            CSGIS-Net does, so that it lies elsewhere than the rest.

    Raises:
        OptionError: the options contradict each other.
    """

    patch_size: int | None
    augment: bool | Mapping[str, Any]
    color: Color
    is_legacy_color_order: bool = False
    rotation_border: Border = "zero"
    pad: Pad | None = None
    is_legacy_unaligned_negative: bool = False

    def __post_init__(self) -> None:
        if self.patch_size is not None and self.patch_size < 1:
            fault = f"must be at least 1, or ~ for whole images, got {self.patch_size}."
            raise OptionError([Fault("patch_size", fault)])
        if self.ranges is not None and self.patch_size is None:
            fault = "whole images cannot be augmented. Set patch_size, or 'augment: false'."
            raise OptionError([Fault("augment", fault)])

    @cached_property
    def ranges(self) -> Ranges | None:
        """How far draws go; None where only crops are drawn."""
        if isinstance(self.augment, bool):
            return Ranges() if self.augment else None
        return read_section(Ranges, self.augment, "augment")

    def size_fault(self, height: int, width: int) -> str | None:
        """Why an image of this size cannot be used, or None."""
        if self.patch_size is None or self.pad or min(height, width) >= self.patch_size:
            return None
        return (
            f"must be at least {self.patch_size}x{self.patch_size} (patch_size), "
            f"got {height}x{width}. Lower patch_size, or set 'pad: reflect'."
        )

    def padded(self, image: np.ndarray) -> np.ndarray:
        """The image, mirrored at its bottom and right where it is smaller than the patch."""
        height, width = self.padded_size(*image.shape[:2])
        bottom, right = height - image.shape[0], width - image.shape[1]
        if not bottom and not right:
            return image
        return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REFLECT_101)

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of what ``padded`` gives."""
        least = self.patch_size or 0
        return max(height, least), max(width, least)

    def draw(self, rng: np.random.Generator, height: int, width: int) -> Params:
        """Parameters for a padded image of this size."""
        if self.patch_size is None:
            return Params(height, width, 0, 0)
        if self.ranges is not None:
            return sample(rng, height, width, self.patch_size, self.ranges)
        return sample_crop(rng, height, width, self.patch_size, self.patch_size)

    def tensors(self, images: Mapping[str, np.ndarray], params: Params) -> dict[str, Tensor]:
        """The item of whole images, all of one size: moved alike, images jittered alike.

        Args:
            images: not padded yet. ``edge``: (H, W) uint8 in {0, 1}; ``segmentation``: (H, W) uint8
                classes; all others, such as ``lq``, ``gt`` and ``over``: (H, W, 3) BGR, uint8 or
                uint16.
        """
        windows = {key: crop(self.padded(image), params) for key, image in images.items()}
        return self.window_tensors(windows, params)

    def window_tensors(
        self, windows: Mapping[str, np.ndarray], params: Params
    ) -> dict[str, Tensor]:
        """``tensors`` of what ``ops.augment.crop`` gave of each image."""
        return {key: self._tensor(key, window, params) for key, window in windows.items()}

    def _tensor(self, key: str, window: np.ndarray, params: Params) -> Tensor:
        if key == "edge":
            return to_tensor(self._moved(window, params))
        if key == "segmentation":
            return to_tensor(self._moved(window, params, is_label=True))[0]
        if key == "over" and self.is_legacy_unaligned_negative:
            params = Params(params.height, params.width, params.row, params.col)
        order: Order = "rgb" if self.is_legacy_color_order else "bgr"
        image = apply_color(self._moved(window, params), params, order=order)
        return to_tensor(to_float(image), self.color)

    def _moved(self, window: np.ndarray, params: Params, *, is_label: bool = False) -> np.ndarray:
        if self.patch_size is None:
            return window
        border = self.rotation_border
        return apply_geometry(window, params, self.patch_size, border=border, is_label=is_label)
