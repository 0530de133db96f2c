"""The Composition-1k test set, made from its foregrounds and backgrounds.

Layout: ``merged/<foreground>_<k>.png`` has the foreground before the k-th of its backgrounds;
``alpha_copy`` and ``trimaps`` have a file of the same name for each; the folder's note has name and
hash of the files that each is made from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads
from smoothkit.data.origin import Origin
from smoothkit.data.protocols import by_stem
from smoothkit.data.provenance import Note, Writer
from smoothkit.data.store import image_files
from smoothkit.ops.io import (
    decode_header,
    decode_image,
    encode_image,
    kind_fault,
    read_header,
    read_image,
)
from smoothkit.systems.lsa.listed import listed_files
from smoothkit.systems.lsa.mattes import check_size, plane_of
from smoothkit.systems.lsa.merging import Foreground
from smoothkit.systems.lsa.outputs import check_is_folder

MERGED, ALPHAS, TRIMAPS = "merged", "alpha_copy", "trimaps"


@dataclass(frozen=True)
class Sources:
    """What a test set is made from.

    Args:
        fg_dir, alpha_dir, bg_dir: foregrounds, their alphas by the same stem, backgrounds.
        fg_list, bg_list: files of names, a line each, in the order that counts; ~ for all images of
            the folder by name. An extension may be missing there, or be another one.
        trimap_dir: trimaps named like merged images or like foregrounds; ~ for none.
    """

    fg_dir: str | Path
    alpha_dir: str | Path
    bg_dir: str | Path
    fg_list: str | Path | None = None
    bg_list: str | Path | None = None
    trimap_dir: str | Path | None = None


def build_test_set(
    sources: Sources,
    out_dir: str | Path,
    *,
    per_foreground: int = 20,
    workers: int | None = None,
    overwrite: bool = False,
) -> int:
    """Merge every foreground with the next backgrounds; returns the number of images made.

    Files that the folder's note says are made from these sources are kept, others that it tells of
    made anew.

    Args:
        sources: 8-bit images; alphas may have 16.
        out_dir: made where missing.
        per_foreground: backgrounds that each foreground takes.
        workers: threads; None for one for each usable CPU.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        DataError: too few backgrounds; files that are missing, unreadable, of another size or not
            grey, all of them named before anything is written; ``out_dir`` is a file; a file would
            be replaced that no note tells of; a file cannot be written.
    """
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    plans = _planned(sources, per_foreground, workers)
    note = Note(out_dir)
    files = _files(plans, out_dir)

    def origin(target: Path) -> Origin:
        return Origin({role: note.file(path) for role, path in files[target].items()})

    advice = "Give another folder, or --overwrite to replace what is there."
    due = note.due(files, origin, is_all=overwrite, what_to_do=advice)
    write = Writer(note, origin, due)
    for folder in (MERGED, ALPHAS, TRIMAPS):
        remove_leftovers(out_dir / folder)
    total = sum(len(plan.names) for plan in plans)
    made = 0
    with note, tqdm(total=total, unit="image", disable=not sys.stderr.isatty()) as progress:
        for plan in plans:
            for is_made in _built(plan, out_dir, write, workers):
                made += is_made
                progress.update()
    return made


@dataclass(frozen=True)
class _Plan:
    """A foreground with what it is merged with; ``trimaps`` is empty or as long as ``names``."""

    fg: Path
    alpha: Path
    names: list[str]
    backgrounds: list[Path]
    trimaps: list[Path]


def _planned(sources: Sources, per_foreground: int, workers: int | None) -> list[_Plan]:
    fgs = listed_files(sources.fg_dir, sources.fg_list)
    bgs = listed_files(sources.bg_dir, sources.bg_list)
    by_stem([path.name for path in fgs], str(sources.fg_dir))  # which refuses twins
    if len(bgs) < len(fgs) * per_foreground:
        raise DataError(
            f"{sources.bg_list or sources.bg_dir}: must have {len(fgs) * per_foreground} "
            f"backgrounds, {per_foreground} for each of {len(fgs)} foregrounds, got {len(bgs)}."
        )
    alphas = _by_stem(sources.alpha_dir)
    trimaps = _by_stem(sources.trimap_dir) if sources.trimap_dir else None

    def planned(index: int) -> _Plan | DataError:
        own = bgs[index * per_foreground : (index + 1) * per_foreground]
        try:
            return _plan_of(fgs[index], own, alphas, trimaps)
        except DataError as error:
            return error

    plans, faults = [], []
    for plan in in_threads(planned, range(len(fgs)), workers):
        if isinstance(plan, DataError):
            faults += str(plan).splitlines()
        else:
            plans.append(plan)
    if faults:  # a background may be that of several
        raise DataError("\n".join(dict.fromkeys(faults)))
    return plans


def _plan_of(
    fg: Path,
    backgrounds: list[Path],
    alphas: Mapping[str, Path],
    trimaps: Mapping[str, Path] | None,
) -> _Plan:
    """The plan of one foreground, its files checked by their headers as far as those tell."""
    if fg.stem not in alphas:
        raise DataError(f"{fg}: has no alpha. Put one called '{fg.stem}' beside the others.")
    names = [f"{fg.stem}_{k}" for k in range(len(backgrounds))]
    found = [trimaps.get(name, trimaps.get(fg.stem)) for name in names] if trimaps else []
    if None in found:
        raise DataError(f"{fg}: has no trimap called '{names[found.index(None)]}' or '{fg.stem}'.")
    plan = _Plan(fg, alphas[fg.stem], names, backgrounds, [path for path in found if path])
    size = _checked_header(fg)
    faults = []
    planes = [(path, False) for path in (plan.alpha, *plan.trimaps)]
    for path, is_photo in dict.fromkeys([*planes, *((path, True) for path in backgrounds)]):
        try:
            other = _checked_header(path, is_photo=is_photo)
            if not is_photo:
                check_size(str(path), other, str(fg), size)
                _check_plane(path)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(faults))
    return plan


def _checked_header(path: Path, *, is_photo: bool = True) -> tuple[int, int]:
    """Height and width.

    Raises:
        DataError: no image, or of a kind that cannot be used.
    """
    header = read_header(path)
    if fault := kind_fault(header, alpha="drop", cmyk="convert" if is_photo else "refuse"):
        raise DataError(f"{path}: {fault}")
    if is_photo and header.depth != 8:
        raise DataError(f"{path}: must have 8 bits per channel, got {header.depth}. Convert it.")
    return header.height, header.width


def _check_plane(path: Path) -> None:
    """Refuse colours; those of a file that has room for them are looked at."""
    if read_header(path).kind != "grey":
        plane_of(read_image(path, mode="whole"), str(path))


def _by_stem(folder: str | Path) -> dict[str, Path]:
    names = by_stem([path.name for path in image_files(folder)], str(folder))
    return {stem: Path(folder) / name for stem, name in names.items()}


def _files(plans: Sequence[_Plan], out_dir: Path) -> dict[Path, dict[str, Path]]:
    """By result, the files that it is made from."""
    files: dict[Path, dict[str, Path]] = {}
    for plan in plans:
        alpha = {"alpha": plan.alpha}
        for name, background in zip(plan.names, plan.backgrounds, strict=True):
            merged = {"foreground": plan.fg, **alpha, "background": background}
            files[out_dir / MERGED / f"{name}.png"] = merged
            files[out_dir / ALPHAS / f"{name}.png"] = alpha
        for name, trimap in zip(plan.names, plan.trimaps, strict=False):
            files[out_dir / TRIMAPS / f"{name}.png"] = {"trimap": trimap}
    return files


def _built(plan: _Plan, out_dir: Path, write: Writer, workers: int | None) -> Iterator[bool]:
    """Write the files of one foreground; for each of its images, whether it is new."""
    note = write.note
    for folder, found in ((ALPHAS, [plan.alpha] * len(plan.names)), (TRIMAPS, plan.trimaps)):
        for name, source in zip(plan.names, found, strict=False):
            write(out_dir / folder / f"{name}.png", partial(_grey_png, source, note))
    merged = {
        out_dir / MERGED / f"{n}.png": bg
        for n, bg in zip(plan.names, plan.backgrounds, strict=True)
    }
    if not any(target in write.due for target in merged):
        return (False for _ in merged)
    alpha = plane_of(note.image(plan.alpha, "whole"), str(plan.alpha))
    foreground = Foreground(note.image(plan.fg, alpha="drop", cmyk="convert"), alpha)

    def content(background: Path) -> bytes:
        pixels = note.image(background, alpha="drop", cmyk="convert")
        return encode_image(foreground.over(pixels))

    def make(target: Path) -> bool:
        return write(target, partial(content, merged[target]))

    return in_threads(make, list(merged), workers)


def _grey_png(source: Path, note: Note) -> bytes:
    """A matte or trimap as the content of a PNG file: as it is, where it is one already."""
    data = note.read(source)
    if source.suffix.lower() == ".png" and decode_header(data, str(source)).kind == "grey":
        return data
    return encode_image(plane_of(decode_image(data, str(source), "whole"), str(source)))
