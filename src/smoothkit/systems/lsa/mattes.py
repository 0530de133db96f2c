"""Images of one plane as they are found on disk: alpha mattes, trimaps and masks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import ImageStore

_SHOWN = 10


def plane_of(image: np.ndarray, where: str) -> np.ndarray:
    """The one plane of an image that may be stored with three equal channels.

    Args:
        image: (H, W) or (H, W, 3 or 4), as ``ops.io.read_image`` gives it in mode ``whole``; the
            dtype is kept.
        where: the file, for messages.

    Raises:
        DataError: the channels differ, or it is transparent.
    """
    if image.ndim == 2:
        return image
    plane = image[..., 0]
    if not all(np.array_equal(plane, image[..., channel]) for channel in (1, 2)):
        raise DataError(f"{where}: must be grey, got colours. Is it the right file?")
    if image.shape[2] == 4 and (image[..., 3] != np.iinfo(image.dtype).max).any():
        raise DataError(f"{where}: is transparent in parts. Save it without an alpha channel.")
    return np.ascontiguousarray(plane)


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """uint8 as it is, uint16 rounded to it."""
    if image.dtype == np.uint8:
        return image
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def partners(
    images: ImageStore, others: ImageStore, kind: str, *, are_shared: bool = False
) -> dict[str, str]:
    """The file among ``others`` that has each image's name, whatever its extension.

    Args:
        kind: what the others are, for messages.
        are_shared: ``x_3.png`` may also take ``x.png``, as a foreground before several backgrounds.

    Raises:
        DataError: images without a partner, all of them named, or two files of one name.
    """
    held = by_stem(others.names, others.root)
    found = {name: partner_of(name, held, are_shared=are_shared) for name in images.names}
    lonely = [name for name, other in found.items() if other is None]
    if lonely:
        more = f", ... and {len(lonely) - _SHOWN} more" if len(lonely) > _SHOWN else ""
        raise DataError(
            f"{others.root}: has no {kind} for {len(lonely)} of the {len(found)} images of "
            f"{images.root}: {', '.join(lonely[:_SHOWN])}{more}. Add them, or move these away."
        )
    return {name: other for name, other in found.items() if other is not None}


def check_size(where: str, size: Sequence[int], other: str, wanted: Sequence[int]) -> None:
    """Refuse a file of another height or width than the one that it belongs to.

    Raises:
        DataError: names both.
    """
    if tuple(size[:2]) != tuple(wanted[:2]):
        raise DataError(
            f"{where}: must have the size of {other}, {wanted[0]}x{wanted[1]}, "
            f"got {size[0]}x{size[1]}."
        )


def partner_of(name: str, held: Mapping[str, str], *, are_shared: bool = False) -> str | None:
    """The one of ``held``, by stem, that belongs to the image ``name``; see ``partners``."""
    stem = PurePosixPath(name).stem
    if stem not in held and are_shared:
        stem = re.sub("_[0-9]+$", "", stem)
    return held.get(stem)
