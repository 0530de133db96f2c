"""Folders of images, each smoothed by a classical filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads, of_shard
from smoothkit.data.origin import Origin
from smoothkit.data.prepare.blending import Reader, read_color
from smoothkit.data.prepare.numbering import refuse_twins
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.ops.filters import apply_filter, check_filter, noted_filter
from smoothkit.ops.io import encode_image, read_bytes, to_float, to_uint8


def make_smooth_gt(
    photo_dir: str | Path,
    out_dir: str | Path,
    *,
    method: str = "l0",
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
    overwrite: bool = False,
) -> Iterator[tuple[Path, str | None]]:
    """Filter every image into ``<stem>.png``; yields each with why it was skipped, or None.

    Args:
        photo_dir: images; of 16 bits the upper 8 are kept, as pairs are blended in bytes.
        out_dir: made where missing. Files are kept that the folder's note says are made from these
            photographs with these settings.
        method: a name of ``FILTERS``.
        settings: keyword arguments of the filter.
        workers: images at a time; None for one for each usable CPU.
        shard: (I, N) takes every N-th photograph, from the I-th on.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        OptionError: unknown filter or setting, or a setting out of range.
        DataError: two images would get one name, the folders are one, a file would be replaced that
            no note tells of, or cannot be written.
    """
    settings = settings or {}
    check_filter(method, settings)
    paths = image_files(photo_dir)
    refuse_twins(paths, [path.stem for path in paths])
    if Path(out_dir).resolve() == Path(photo_dir).resolve():
        raise DataError(f"{out_dir}: holds the photographs, which would be replaced. Give another.")

    out_dir, own = Path(out_dir), list(of_shard(paths, shard))
    photos = {out_dir / f"{path.stem}.png": path for path in own}
    note, noted = Note(out_dir), noted_filter(method, settings)

    def origin(target: Path) -> Origin:
        return Origin({"photograph": note.file(photos[target])}, settings=noted)

    advice = "Give another folder, or --overwrite to replace what is there."
    due = note.due(photos, origin, is_all=overwrite, what_to_do=advice)
    remove_leftovers(out_dir)

    def make(target: Path) -> str | None:
        if target not in due:
            return None
        try:
            photo = read_photo(photos[target], note.read)
        except DataError as error:
            return str(error)
        content = encode_image(apply_filter(method, photo, settings))
        note.write(target, content, origin(target))
        return None

    def finished() -> Iterator[tuple[Path, str | None]]:
        with note:
            yield from zip(own, in_threads(make, list(photos), workers), strict=True)

    return finished()


def read_photo(path: Path, read: Reader = read_bytes) -> np.ndarray:
    """(H, W, 3) uint8 BGR; arguments and errors as for ``read_color``."""
    image = read_color(path, read)
    return image if image.dtype == np.uint8 else to_uint8(to_float(image))
