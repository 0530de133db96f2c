"""Crops, flips, turns and colours that all images of an item share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from smoothkit.core.errors import DataError
from smoothkit.ops.io import Alpha, ImageHeader, kind_fault, to_float
from smoothkit.ops.tensor import to_tensor


@dataclass(frozen=True)
class Move:
    """What happens to all images of an item.

    Args:
        window: rows and columns of the first image that are taken; ~: all.
        is_mirrored: left and right change places, then
        is_flipped: top and bottom, then
        is_transposed: rows and columns.
        colors: channels in their new order; ~: as they are.
    """

    window: tuple[slice, slice] | None = None
    is_mirrored: bool = False
    is_flipped: bool = False
    is_transposed: bool = False
    colors: Sequence[int] | None = None

    def __call__(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Tensors (3, h, w), uint8 or float32 in [0, 1], RGB.

        Args:
            images: (H, W, 3) BGR; of the size of the first, or whole multiples of it.
        """
        moved = []
        for image in images:
            if self.window is not None:
                factor = image.shape[0] // images[0].shape[0]
                rows, columns = self.window
                image = image[
                    factor * rows.start : factor * rows.stop,
                    factor * columns.start : factor * columns.stop,
                ]
            image = image[:, ::-1] if self.is_mirrored else image
            image = image[::-1] if self.is_flipped else image
            image = image.swapaxes(0, 1) if self.is_transposed else image
            moved.append(_as_tensor(image if self.colors is None else image[..., self.colors]))
        return moved


class Moves:
    """One crop, flip, turn and order of colours for all images of an item.

    Args:
        use_hflip: mirror half of them.
        use_rot: turn and transpose them too.
        crop_size: side in the last image; ~: whole images.
        permute_colors: put the channels into a random order.
        option: what the user calls ``crop_size``, for messages.
    """

    def __init__(
        self,
        use_hflip: bool,
        use_rot: bool,
        crop_size: int | None,
        *,
        permute_colors: bool = False,
        option: str = "crop_size",
    ) -> None:
        self._option = option
        self._use_hflip, self._use_rot, self._crop_size = use_hflip, use_rot, crop_size
        self._permute_colors = permute_colors

    def __call__(self, images: Sequence[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """The images moved by a new draw; see ``Move``."""
        window = self._window(images, rng)
        mirrors, flips, turns = (bool(chance < 0.5) for chance in rng.random(3))
        return Move(
            window=window,
            is_mirrored=self._use_hflip and mirrors,
            is_flipped=self._use_rot and flips,
            is_transposed=self._use_rot and turns,
            colors=rng.permutation(3).tolist() if self._permute_colors else None,
        )(images)

    def _window(
        self, images: Sequence[np.ndarray], rng: np.random.Generator
    ) -> tuple[slice, slice] | None:
        """What of the first image is taken."""
        if self._crop_size is None:
            return None
        height, width = images[0].shape[:2]
        side = self._crop_size // (images[-1].shape[0] // height)
        top, left = (int(rng.integers(length - side + 1)) for length in (height, width))
        return slice(top, top + side), slice(left, left + side)

    def check_multiple(
        self, path: str, small: tuple[int, ...], large: tuple[int, ...], small_path: str
    ) -> None:
        """Refuse a pair of which one is no whole multiple of the other, or below the crop."""
        factor = large[0] // small[0]
        if tuple(factor * side for side in small) != large:
            raise DataError(
                f"{path}: has {large[0]}x{large[1]} pixels, which is no whole multiple of "
                f"{small[0]}x{small[1]}, the size of {small_path}."
            )
        crop = self._crop_size
        if crop is not None and (min(large) < crop or crop % factor):
            raise DataError(
                f"{path}: cannot be cut to gt_size ({crop}), which must be a multiple of the "
                f"scale ({factor}) and at most the sides, {large[0]}x{large[1]}."
            )

    def check(self, path: str, header: ImageHeader, sizes: dict[str, tuple[int, int]]) -> None:
        """Refuse an image that does not fit into a batch.

        That is one below the crop, and without a crop one of another size than the first, or whose
        sides change places.
        """
        size = (header.height, header.width)
        if self._crop_size is not None:
            if min(size) < self._crop_size:
                raise DataError(
                    f"{path}: must have sides of {self._option} ({self._crop_size}) or more, "
                    f"got {size[0]}x{size[1]}."
                )
            return
        first, expected = next(iter(sizes.items()), (path, size))
        sizes.setdefault(first, expected)
        if size != expected:
            raise DataError(
                f"{path}: has {size[0]}x{size[1]} pixels, {first} has {expected[0]}x{expected[1]}. "
                f"Whole images of a batch need one size: set {self._option}."
            )
        if self._use_rot and size[0] != size[1]:
            raise DataError(
                f"{path}: must have equal sides, got {size[0]}x{size[1]}. Whole images that are "
                f"transposed change their size in a batch: set {self._option} or use_rot: false."
            )


def _as_tensor(image: np.ndarray) -> Tensor:
    return to_tensor(to_float(image) if image.dtype == np.uint16 else image)


def check_kind(path: str, header: ImageHeader, alpha: Alpha) -> None:
    """Refuse a kind of image that cannot be read, from its header."""
    if fault := kind_fault(header, alpha=alpha):
        raise DataError(f"{path}: {fault}")
