"""Lists of the images of a data set: a path a line, relative to a root, as BasicSR reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.parallel import in_threads
from smoothkit.data.file_hashes import digest_of
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.ops.io import read_image


@dataclass(frozen=True)
class Listed:
    """What a run has done.

    Args:
        names: how many the list has.
        faults: of each image that was left out, why.
        is_new: the list was written, and not up to date before.
    """

    names: int
    faults: list[DataError]
    is_new: bool


def write_meta_info(
    inputs: Sequence[str | Path],
    roots: Sequence[str | Path],
    path: str | Path,
    *,
    check: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
) -> Listed:
    """Write a list of the images of each input folder, by name, in the order of the folders.

    A list that the note beside it does not tell of is not replaced.

    Args:
        inputs: folders; those inside them do not take part.
        roots: for each input the folder that its paths are relative to, mostly one above it.
        path: of the list; its folder is made where missing.
        check: decode every image, and leave those out that cannot be read.
        workers: images at a time; None for one for each usable CPU.
        overwrite: replace a list that no note tells of.

    Raises:
        DataError: a folder is missing or has no images; a name that a line cannot hold, or that is
            there twice; no image can be read; the list would be replaced or cannot be written.
        ValueError: not as many roots as inputs.

    Source: HGGT (arXiv 2303.13069), published script. Differs: files that are no images are left
    aside; the list may lie in the working folder.
    """
    path = Path(path)
    images: dict[str, Path] = {}
    for folder, root in zip(inputs, roots, strict=True):
        for image in image_files(folder):
            line = _line(image, root)
            if line in images:
                raise DataError(
                    f"{image}: is called '{line}', as {images[line]} is. Leave one out."
                )
            images[line] = image
    faults = _faults(list(images.values()), workers) if check else {}
    lines = [line for line, image in images.items() if image not in faults]
    if not lines:
        raise DataError(f"{inputs[0]}: no image can be read, so {path} is not written.")
    content = os.fsencode("".join(f"{line}\n" for line in lines))
    with Note(path.parent) as note:
        origin = Origin({"images": (f"{len(lines)} names", digest_of(content))})
        advice = "Give another name, or --overwrite to replace it."
        is_due = bool(note.due([path], lambda _: origin, is_all=overwrite, what_to_do=advice))
        if is_due:
            note.write(path, content, origin)
    return Listed(len(lines), list(faults.values()), is_due)


def _line(image: Path, root: str | Path) -> str:
    """The line of an image.

    Raises:
        DataError: readers of lists would take it for another one.
    """
    line = Path(os.path.relpath(image, root)).as_posix()
    if line != line.strip() or len(line.splitlines()) > 1:
        raise DataError(
            f"{str(image)!r}: a line cannot hold a name with a line break, or that begins with a "
            "blank. Rename it."
        )
    return line


def _faults(images: Sequence[Path], workers: int | None) -> dict[Path, DataError]:
    """Why images cannot be read, for each that cannot."""

    def fault(image: Path) -> DataError | None:
        try:
            read_image(image, mode="whole", cmyk="convert")
        except DataError as error:
            return error
        return None

    found = in_threads(fault, images, workers)
    bar = tqdm(found, total=len(images), unit="image", disable=not sys.stderr.isatty())
    return {image: error for image, error in zip(images, bar, strict=True) if error}
