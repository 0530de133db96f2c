"""Originals and their enhanced versions: ``original/a.png``, ``01/a_01.png``, ``02/a_02.png``, ...

Each folder beside ``original`` is a version, whatever its name; hidden folders are not. Formats may
differ between the folders.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.parallel import in_threads
from smoothkit.data.prepare.outputs import refuse_as_output
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import image_files
from smoothkit.ops.io import ImageHeader, decode_image, kind_fault, read_bytes, read_header

log = logging.getLogger(__name__)

ORIGINAL = "original"
# A folder that was forgotten makes as many faults as there are images.
_MOST_FAULTS = 20

Size = tuple[int, int]


@dataclass(frozen=True)
class PictureSet:
    """An original and its versions.

    Args:
        stem: name of the original without extension.
        files: path by folder, ``original`` first, then the versions by name.
    """

    stem: str
    files: Mapping[str, Path]


def find_sets(root: str | Path) -> list[PictureSet]:
    """The sets below ``root``, in order of the file names of their originals.

    Raises:
        DataError: no originals or no versions, two files of one name, or a version is missing; all
            that are missing are named.
    """
    root = Path(root)
    folders = _folders(root)
    if ORIGINAL not in folders:
        got = f"only {', '.join(folders)}" if folders else "none"
        raise DataError(f"{root}: must have a folder '{ORIGINAL}' of the originals, got {got}.")
    versions = [name for name in folders if name != ORIGINAL]
    if not versions:
        raise DataError(
            f"{root}: must have folders of versions beside '{ORIGINAL}', such as '01', got none."
        )
    originals = _by_stem(root / ORIGINAL)
    held = {version: _by_stem(root / version) for version in versions}
    refuse(fault for version in versions for fault in _missing(root, version, originals, held))
    return [
        PictureSet(
            stem,
            {ORIGINAL: path, **{v: held[v][version_stem(stem, v)] for v in versions}},
        )
        for stem, path in originals.items()
    ]


def version_stem(stem: str, version: str) -> str:
    """Name, without extension, that a picture has in a folder."""
    return stem if version == ORIGINAL else f"{stem}_{version}"


def sizes_of(sets: Sequence[PictureSet], workers: int | None = None) -> list[Size]:
    """Height and width of each set, from the headers of its files.

    What ``read_pixels`` changes (16 bits, transparency, rotation) is logged.

    Raises:
        DataError: files that cannot be used, or whose size is not that of their original; all are
            named.
    """

    def headers(pictures: PictureSet) -> dict[str, ImageHeader | DataError]:
        return {version: _header(path) for version, path in pictures.files.items()}

    found = list(in_threads(headers, sets, workers))
    refuse(f for one, held in zip(sets, found, strict=True) for f in _header_faults(one, held))
    good = [{k: h for k, h in held.items() if isinstance(h, ImageHeader)} for held in found]
    counts = Counter(what for held in good for h in held.values() for what in _changed(h))
    for what, count in counts.items():
        log.warning("%d of %d files %s.", count, sum(map(len, good)), what)
    return [(held[ORIGINAL].height, held[ORIGINAL].width) for held in good]


def read_pixels(path: Path, read: Callable[[Path], bytes] = read_bytes) -> np.ndarray:
    """(H, W, 3) uint8 BGR, upright.

    Grey and palettes become colours, transparency is dropped, of 16 bits the upper 8 are kept. The
    published code takes what Pillow makes of them as RGB, and does not turn images by their EXIF.

    Args:
        read: gives the content of the file, as ``Note.read`` does.

    Raises:
        DataError: it cannot be decoded, or is CMYK.
    """
    image = decode_image(read(path), str(path), alpha="drop")
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def check_places(img_path: str | Path, save_path: str | Path) -> None:
    """Refuse results among the sources, where the next run would take them for a version.

    Raises:
        DataError: ``save_path`` is a file, or is ``img_path`` or lies in it.
    """
    source, target = Path(img_path).resolve(), Path(save_path).resolve()
    refuse_as_output(Path(save_path), [img_path])
    if source in target.parents:
        raise DataError(
            f"{save_path}: lies in {img_path}, where each folder is a version. Give another folder."
        )


def refuse(faults: Iterable[str]) -> None:
    """Refuse what is wrong, a line each.

    Raises:
        DataError: there is something.
    """
    lines = list(faults)
    if len(lines) > _MOST_FAULTS:
        lines[_MOST_FAULTS:] = [f"and {len(lines) - _MOST_FAULTS} more like these."]
    if lines:
        raise DataError("\n".join(lines))


def _folders(root: Path) -> list[str]:
    try:
        return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise DataError(f"{root}: cannot be read: {error.strerror}.") from error


def _by_stem(folder: Path) -> dict[str, Path]:
    names = by_stem([path.name for path in image_files(folder)], str(folder))
    return {stem: folder / name for stem, name in names.items()}


def _missing(
    root: Path,
    version: str,
    originals: Mapping[str, Path],
    held: Mapping[str, Mapping[str, Path]],
) -> Iterator[str]:
    wanted = {version_stem(stem, version): path for stem, path in originals.items()}
    there = held[version]
    missing = [stem for stem in wanted if stem not in there]
    if len(missing) == len(wanted):
        got = next(iter(there.values())).name
        yield (
            f"{root / version}: must have files called <original>_{version}, such as "
            f"{missing[0]}.png, got {got}. Rename the files or the folder."
        )
        return
    for stem in missing:
        yield f"{root / version / stem}.png: missing, though {wanted[stem]} is there."
    alone = [path.name for stem, path in there.items() if stem not in wanted]
    if alone:
        told = f"{len(alone)} files without an original are skipped, such as {alone[0]}"
        log.warning("%s: %s.", root / version, told)


def _header(path: Path) -> ImageHeader | DataError:
    try:
        header = read_header(path)
    except DataError as error:
        return error
    fault = kind_fault(header, alpha="drop")
    return DataError(f"{path}: {fault}") if fault else header


def _header_faults(
    pictures: PictureSet, headers: Mapping[str, ImageHeader | DataError]
) -> Iterator[str]:
    original = headers[ORIGINAL]
    for version, header in headers.items():
        if isinstance(header, DataError):
            yield str(header)
        elif isinstance(original, ImageHeader) and _size(header) != _size(original):
            yield (
                f"{pictures.files[version]}: must have the size of its original, "
                f"{original.height}x{original.width}, got {header.height}x{header.width}."
            )


def _size(header: ImageHeader) -> Size:
    return header.height, header.width


def _changed(header: ImageHeader) -> Iterator[str]:
    """What is not kept of an image as it is stored."""
    if header.depth > 8:
        yield "have 16 bits per channel, of which the upper 8 are kept"
    if header.kind == "alpha":
        yield "have transparency, which is dropped"
    if header.orientation != 1:
        yield "are turned upright as their EXIF says"
