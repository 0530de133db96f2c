"""Folders of images, each smoothed by a classical filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, remove_leftovers, write_json
from smoothkit.core.parallel import in_threads, of_shard
from smoothkit.data.prepare.blending import read_color, refuse_twins
from smoothkit.data.store import image_files
from smoothkit.ops.filters import apply_filter, check_filter
from smoothkit.ops.io import to_float, to_uint8, write_image


def make_smooth_gt(
    photo_dir: str | Path,
    out_dir: str | Path,
    *,
    method: str = "l0",
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
) -> Iterator[tuple[Path, str | None]]:
    """Filter every image into ``<stem>.png``; yields each with why it was skipped, or None.

    Args:
        photo_dir: images; of 16 bits the upper 8 are kept, as pairs are blended in bytes.
        out_dir: made where missing. Files are kept that are newer than their photographs and
            than ``filter.json``, which says what they are made by.
        method: a name of ``FILTERS``.
        settings: keyword arguments of the filter.
        workers: images at a time; None for one for each usable CPU.
        shard: (I, N) takes every N-th photograph, from the I-th on.

    Raises:
        OptionError: unknown filter or setting, or a setting out of range.
        DataError: two images would get one name, the folders are one, or a file cannot be written.
    """
    settings = settings or {}
    check_filter(method, settings)
    paths = image_files(photo_dir)
    refuse_twins(paths, [path.stem for path in paths])
    if Path(out_dir).resolve() == Path(photo_dir).resolve():
        raise DataError(f"{out_dir}: holds the photographs, which would be replaced. Give another.")

    noted = _note_filter(Path(out_dir), {"method": method, "settings": dict(settings)})

    def make(path: Path) -> str | None:
        target = Path(out_dir) / f"{path.stem}.png"
        if target.exists() and _mtime(target) >= max(noted, _mtime(path)):
            return None
        try:
            photo = read_photo(path)
        except DataError as error:
            return str(error)
        write_image(target, apply_filter(method, photo, settings))
        return None

    own = list(of_shard(paths, shard))
    return zip(own, in_threads(make, own, workers), strict=True)


def _note_filter(folder: Path, made_by: dict[str, Any]) -> int:
    """Write down what a folder's images are made by; since when that holds."""
    note = folder / "filter.json"
    remove_leftovers(folder)
    if not note.exists() or note.read_text("utf-8") != as_json(made_by, indent=2) + "\n":
        write_json(note, made_by)
    return _mtime(note)


def _mtime(path: Path) -> int:
    return path.stat().st_mtime_ns


def read_photo(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 BGR.

    Raises:
        DataError: it cannot be read, has transparency, or is CMYK.
    """
    image = read_color(path)
    return image if image.dtype == np.uint8 else to_uint8(to_float(image))
