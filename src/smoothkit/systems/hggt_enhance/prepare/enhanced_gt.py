"""Enhanced ground truths: photographs, and versions of each by networks or filters.

Layout: ``original/<stem>.png``, and for every version ``<folder>/<stem><suffix>.png``, all 8-bit
RGB and upright. Versions are made of what ``original`` holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smoothkit.core.devices import is_broken, refuse_device_failure
from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import of_shard
from smoothkit.data.origin import Origin
from smoothkit.data.prepare.numbering import refuse_twins
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.ops.io import encode_image, to_float, to_uint8
from smoothkit.systems.hggt_enhance.prepare.versions import (
    ORIGINAL,
    Amp,
    Enhance,
    Version,
    check_versions,
)

log = logging.getLogger(__name__)

_ADVICE = "Give another output folder, or --overwrite to replace what is there."
_OPAQUE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
# What a network raises for an image that it cannot take; one image must not end all.
_UNFORESEEN = (RuntimeError, ValueError, ArithmeticError, AssertionError, MemoryError)


@dataclass(frozen=True)
class Made:
    """One picture that is there now, or why it is not.

    Args:
        path: of the result.
        is_new: made by this run.
        reason: why it was skipped; empty where it was not.
    """

    path: Path
    is_new: bool = False
    reason: str = ""


def make_enhanced_gt(
    photo_dir: str | Path,
    out_dir: str | Path,
    versions: Sequence[Version],
    *,
    device: str = "auto",
    amp: Amp = "off",
    shard: tuple[int, int] = (1, 1),
    overwrite: bool = False,
) -> tuple[int, Iterator[Made]]:
    """Make what is missing or outdated of all versions of all photographs.

    Args:
        photo_dir: photographs. Of 16 bits the upper 8 are kept, grey and palettes become RGB, EXIF
            orientation is applied; one with transparent pixels is skipped.
        out_dir: gets the layout that the module names.
        versions: what to make of each photograph.
        device, amp: of the networks, as ``load_model`` takes them.
        shard: (I, N) takes every N-th photograph, from the I-th on.
        overwrite: make all anew, also in the place of files that no note tells of.

    Returns:
        How many pictures there will be, and each as soon as it is there. One version after the
        other is made, so that one network is loaded at a time.

    Raises:
        DataError: no photographs, two of one name, weights missing, a file would be replaced that
            no note tells of, or cannot be written.
        OptionError: versions that cannot be.
    """
    check_versions(versions)
    out_dir = Path(out_dir)
    photos = image_files(photo_dir)
    refuse_twins(photos, [photo.stem for photo in photos])
    if (out_dir / ORIGINAL).resolve() == Path(photo_dir).resolve():
        raise DataError(f"{photo_dir}: would be written to. Give another output folder.")
    own = list(of_shard(photos, shard))
    folders = [ORIGINAL, *(version.folder for version in versions)]

    def finished() -> Iterator[Made]:
        with Note(out_dir) as note:
            for folder in folders:
                remove_leftovers(out_dir / folder)
            skipped = set()
            for made in _originals(own, out_dir, note, overwrite=overwrite):
                if made.reason:
                    skipped.add(made.path)
                yield made
            left = [_original(out_dir, p) for p in own if _original(out_dir, p) not in skipped]
            for version in versions:
                yield from _version(version, left, out_dir, note, device, amp, overwrite=overwrite)

    return len(own) * len(folders), finished()


def _original(out_dir: Path, photo: Path) -> Path:
    return out_dir / ORIGINAL / f"{photo.stem}.png"


def _originals(
    photos: Sequence[Path], out_dir: Path, note: Note, *, overwrite: bool
) -> Iterator[Made]:
    sources = {_original(out_dir, photo): photo for photo in photos}

    def origin(target: Path) -> Origin:
        return Origin({"photograph": note.file(sources[target])})

    due = note.due(sources, origin, is_all=overwrite, what_to_do=_ADVICE)
    for target, photo in sources.items():
        if target not in due:
            yield Made(target)
            continue
        try:
            content = encode_image(read_photograph(photo, note))
        except DataError as error:
            yield Made(target, reason=str(error))
            continue
        note.write(target, content, origin(target))
        yield Made(target, is_new=True)


def _version(
    version: Version,
    originals: Sequence[Path],
    out_dir: Path,
    note: Note,
    device: str,
    amp: Amp,
    *,
    overwrite: bool,
) -> Iterator[Made]:
    weights = {role: note.file(path) for role, path in version.files().items()}
    settings = {**version.settings(), **({"amp": amp} if weights else {})}
    sources = {
        out_dir / version.folder / f"{original.stem}{version.ending}.png": original
        for original in originals
    }

    def origin(target: Path) -> Origin:
        return Origin({"original": note.file(sources[target])}, weights, settings)

    due = note.due(sources, origin, is_all=overwrite, what_to_do=_ADVICE)
    enhance: Enhance | None = None
    for target, original in sources.items():
        if target not in due:
            yield Made(target)
            continue
        if enhance is None:  # of networks, only where there is something to make
            enhance = version.enhancer(device, amp)
        try:
            content = encode_image(_enhanced(enhance, note.image(original), original))
        except DataError as error:
            yield Made(target, reason=f"{original}: {error}")
            continue
        note.write(target, content, origin(target))
        yield Made(target, is_new=True)


def _enhanced(enhance: Enhance, image: np.ndarray, original: Path) -> np.ndarray:
    try:
        return enhance(image)
    except _UNFORESEEN as error:
        if is_broken(error):  # so would be all that follow
            refuse_device_failure(error, str(original))
        raise DataError(str(error) or type(error).__name__) from error


def read_photograph(path: Path, note: Note) -> np.ndarray:
    """(H, W, 3) uint8 BGR, upright; of 16 bits the upper 8 are kept.

    Raises:
        DataError: it cannot be read, or has transparent pixels.
    """
    image = note.image(path, "whole", cmyk="convert")
    if image.ndim == 3 and image.shape[2] == 4:
        if (image[..., 3] != _OPAQUE[image.dtype]).any():
            raise DataError(f"{path}: has transparent pixels. Put it on a background.")
        image = image[..., :3]
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image if image.dtype == np.uint8 else to_uint8(to_float(image)))
