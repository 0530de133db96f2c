"""The Composition-1k test set, made from its foregrounds and backgrounds.

Layout: ``merged/<foreground>_<k>.png`` has the foreground before the k-th of its backgrounds;
``alpha_copy`` and ``trimaps`` have a file of the same name for each; ``sources.json`` has name and
hash of the files that each is made from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers, write_bytes
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import image_files
from smoothkit.ops.io import (
    encode_image,
    is_whole_png,
    kind_fault,
    read_bytes,
    read_header,
    read_image,
    write_image,
)
from smoothkit.systems.lsa.listed import listed_files
from smoothkit.systems.lsa.mattes import check_size, plane_of
from smoothkit.systems.lsa.merging import Foreground
from smoothkit.systems.lsa.origins import (
    ALPHAS,
    MERGED,
    TRIMAPS,
    Origin,
    check_is_folder,
    claim,
    hashed,
)


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
    sources: Sources, out_dir: str | Path, *, per_foreground: int = 20, workers: int | None = None
) -> int:
    """Merge every foreground with the next backgrounds; returns the number of images made.

    Files that a former run left whole are not made again.

    Args:
        sources: 8-bit images; alphas may have 16.
        out_dir: made where missing.
        per_foreground: backgrounds that each foreground takes.
        workers: threads; None for one for each usable CPU.

    Raises:
        DataError: too few backgrounds; files that are missing, unreadable, of another size or not
            grey, all of them named before anything is written; ``out_dir`` is a file, or has files
            made from sources of other content, or from what is not noted; a file cannot be written.
    """
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    plans = _planned(sources, per_foreground, workers)
    claim(out_dir, _origins(plans, workers))
    for folder in (MERGED, ALPHAS, TRIMAPS):
        remove_leftovers(out_dir / folder)
    total = sum(len(plan.names) for plan in plans)
    made = 0
    with tqdm(total=total, unit="image", disable=not sys.stderr.isatty()) as progress:
        for plan in plans:
            for is_made in _built(plan, out_dir, workers):
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


def _origins(plans: Sequence[_Plan], workers: int | None) -> dict[str, Origin]:
    """What each image is made from."""
    used = (path for p in plans for path in (p.fg, p.alpha, *p.backgrounds, *p.trimaps))
    files = hashed(used, workers)
    origins: dict[str, Origin] = {}
    for plan in plans:
        for k, name in enumerate(plan.names):
            parts = {"foreground": plan.fg, "alpha": plan.alpha, "background": plan.backgrounds[k]}
            if plan.trimaps:
                parts["trimap"] = plan.trimaps[k]
            origins[name] = {part: files[path] for part, path in parts.items()}
    return origins


def _built(plan: _Plan, out_dir: Path, workers: int | None) -> Iterator[bool]:
    """Write the files of one foreground; for each of its images, whether it is new."""
    for folder, found in ((ALPHAS, [plan.alpha] * len(plan.names)), (TRIMAPS, plan.trimaps)):
        for name, source in zip(plan.names, found, strict=False):
            target = out_dir / folder / f"{name}.png"
            if not is_whole_png(target):
                write_bytes(target, _grey_png(source))
    merged = {
        out_dir / MERGED / f"{n}.png": bg
        for n, bg in zip(plan.names, plan.backgrounds, strict=True)
    }
    missing = {target for target in merged if not is_whole_png(target)}
    if not missing:
        return (False for _ in merged)
    alpha = plane_of(read_image(plan.alpha, mode="whole"), str(plan.alpha))
    foreground = Foreground(read_image(plan.fg, alpha="drop", cmyk="convert"), alpha)

    def make(target: Path) -> bool:
        if target in missing:
            background = read_image(merged[target], alpha="drop", cmyk="convert")
            write_image(target, foreground.over(background))
        return target in missing

    return in_threads(make, list(merged), workers)


def _grey_png(source: Path) -> bytes:
    """A matte or trimap as the content of a PNG file: as it is, where it is one already."""
    if source.suffix.lower() == ".png" and read_header(source).kind == "grey":
        return read_bytes(source)
    return encode_image(plane_of(read_image(source, mode="whole"), str(source)))
