"""Crops, flips, turns and colours that all images of an item share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from smoothkit.core.errors import DataError
from smoothkit.ops.io import Alpha, ImageHeader, kind_fault, to_float
from smoothkit.ops.tensor import to_tensor


class Moves:
    """One crop, flip, turn and order of colours for all images of an item.

    Args:
        use_hflip: mirror half of them.
        use_rot: turn and transpose them too.
        crop_size: side in the last image; ~: whole images.
        permute_colors: put the channels into a random order.
    """

    def __init__(
        self,
        use_hflip: bool,
        use_rot: bool,
        crop_size: int | None,
        *,
        permute_colors: bool = False,
    ) -> None:
        self._use_hflip, self._use_rot, self._crop_size = use_hflip, use_rot, crop_size
        self._permute_colors = permute_colors

    def __call__(self, images: Sequence[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """Tensors (3, h, w), uint8 or float32 in [0, 1], RGB.

        Args:
            images: (H, W, 3) BGR; of the size of the first, or whole multiples of it.
        """
        window = self._window(images, rng)
        mirrors, flips, turns = rng.random(3) < 0.5
        order = rng.permutation(3) if self._permute_colors else slice(None)
        moved = []
        for image in images:
            factor = image.shape[0] // images[0].shape[0]
            part = image[tuple(slice(factor * s.start, factor * s.stop) for s in window)]
            part = part[:, ::-1] if self._use_hflip and mirrors else part
            part = part[::-1] if self._use_rot and flips else part
            part = part.swapaxes(0, 1) if self._use_rot and turns else part
            moved.append(_as_tensor(part[..., order]))
        return moved

    def _window(
        self, images: Sequence[np.ndarray], rng: np.random.Generator
    ) -> tuple[slice, slice]:
        """What of the first image is taken."""
        height, width = images[0].shape[:2]
        if self._crop_size is None:
            return slice(0, height), slice(0, width)
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
        """Refuse an image below the crop; without a crop one of another size than the first."""
        size = (header.height, header.width)
        if self._crop_size is not None:
            if min(size) < self._crop_size:
                raise DataError(
                    f"{path}: must have sides of crop_size ({self._crop_size}) or more, "
                    f"got {size[0]}x{size[1]}."
                )
            return
        first, expected = next(iter(sizes.items()), (path, size))
        sizes.setdefault(first, expected)
        if size != expected:
            raise DataError(
                f"{path}: has {size[0]}x{size[1]} pixels, {first} has {expected[0]}x{expected[1]}. "
                "Whole images of a batch need one size: set crop_size."
            )


def _as_tensor(image: np.ndarray) -> Tensor:
    return to_tensor(to_float(image) if image.dtype == np.uint16 else image)


def check_kind(path: str, header: ImageHeader, alpha: Alpha) -> None:
    """Refuse a kind of image that cannot be read, from its header."""
    if fault := kind_fault(header, alpha=alpha):
        raise DataError(f"{path}: {fault}")
