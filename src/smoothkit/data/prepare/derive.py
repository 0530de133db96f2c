"""Images derived from the images of folders, several from each, such as crops or smaller copies.

After a run the folder of the results has what this run makes, and nothing else: what is current
stays, what is outdated is made anew, what a former run made besides is removed.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from smoothkit.core.cpu import usable_cpus
from smoothkit.core.errors import DataError
from smoothkit.core.files import check_name, remove_leftovers
from smoothkit.core.parallel import in_threads
from smoothkit.data.origin import Origin
from smoothkit.data.prepare.outputs import refuse_as_output
from smoothkit.data.provenance import Note, refuse
from smoothkit.data.store import FolderStore, image_files
from smoothkit.ops.io import ImageHeader, encode_image, kind_fault, read_header

log = logging.getLogger(__name__)

# Threads beyond the CPUs: each waits for the disk after a result, a tenth of its time or more.
_WAITING = 2

# From the pixels of an image, as ``read_image`` gives them in the mode ``whole``, to a result.
Make = Callable[[np.ndarray], np.ndarray]


class Recipe(Protocol):
    """What is derived from an image."""

    def settings(self) -> Mapping[str, Any]:
        """What decides the results besides the image; of values that JSON has."""

    def params(self, suffix: str) -> tuple[int, ...]:
        """Settings of the encoder of a format, as ``encode_image`` takes them."""

    def stem_of(self, path: Path) -> str:
        """What the names of an image's results begin with."""

    def owner_of(self, name: str) -> str:
        """``stem_of`` the image that the result ``name`` is derived from."""

    def results(self, path: Path, header: ImageHeader) -> Mapping[str, Make]:
        """How each result is made, by its name.

        Raises:
            DataError: nothing can be derived from such an image.
        """


@dataclass(frozen=True)
class Summary:
    """What a run has done.

    Args:
        results: of this run that the folder has now.
        made: how many of them are new.
        faults: for each image of which there are no results, why.
    """

    results: int
    made: int
    faults: list[DataError]


def derive(
    recipe: Recipe,
    inputs: Sequence[str | Path],
    out_dir: str | Path,
    *,
    is_recursive: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
) -> Summary:
    """Write what ``recipe`` derives from every image of some folders.

    Results that the folder's note says are made from these images by these settings are kept.
    Images are read upright and with palettes as colours; grey, 16 bits and alpha stay.

    Args:
        inputs: all folders of the data set: results of images that are no longer among them are
            removed; where none of them is left, that is refused.
        out_dir: made where missing.
        is_recursive: take the images of folders inside too.
        workers: images at a time; None for two more than usable CPUs.
        overwrite: make all anew, also in the place of files that no note tells of, and remove
            results of other images.

    Raises:
        DataError: a folder is missing or has no images; two images would get the same results;
            ``out_dir`` is a file, is read from, or has images that are not of this run; a file
            cannot be written.
    """
    out_dir = Path(out_dir)
    plans = _planned(recipe, _sources(recipe, inputs, out_dir, is_recursive), out_dir, workers)
    note = Note(out_dir)
    stale = _stale(recipe, plans, note, overwrite)
    sources = {path: plan.source for plan in plans.values() for path in plan.results}

    def origin(path: Path) -> Origin:
        return Origin({"image": note.file(sources[path])}, settings=recipe.settings())

    advice = "Give another folder, or --overwrite to replace what is there."
    due = note.due(sources, origin, is_all=overwrite, what_to_do=advice)
    _remove(stale)
    if stale:
        log.info("%s: removed results that this run does not make: %d.", out_dir, len(stale))
    remove_leftovers(out_dir)

    def make(plan: _Plan) -> Summary:
        if plan.fault:
            return Summary(0, 0, [plan.fault])
        own = [path for path in plan.results if path in due]
        if not own:
            return Summary(len(plan.results), 0, [])
        try:
            image = note.image(plan.source, "whole")
        except DataError as error:
            _remove(own)  # made from what the image was before
            return Summary(len(plan.results) - len(own), 0, [error])
        for path in own:
            result = np.ascontiguousarray(plan.results[path](image))
            params = recipe.params(path.suffix.lower())
            content = encode_image(result, path.suffix, name=str(path), params=params)
            note.write(path, content, origin(path))
        return Summary(len(plan.results), len(own), [])

    with note:
        done = in_threads(make, list(plans.values()), workers or usable_cpus() + _WAITING)
        bar = tqdm(done, total=len(plans), unit="image", disable=not sys.stderr.isatty())
        parts = list(bar)
    faults = [fault for part in parts for fault in part.faults]
    return Summary(sum(p.results for p in parts), sum(p.made for p in parts), faults)


@dataclass(frozen=True)
class _Plan:
    """What is derived from an image, by the path of each result, or why nothing is."""

    source: Path
    results: Mapping[Path, Make] = field(default_factory=dict)
    fault: DataError | None = None
    is_readable: bool = True


def _sources(
    recipe: Recipe, inputs: Sequence[str | Path], out_dir: Path, is_recursive: bool
) -> dict[str, Path]:
    """The images by what the names of their results begin with."""
    refuse_as_output(out_dir, inputs)
    sources: dict[str, Path] = {}
    for folder in inputs:
        if is_recursive and Path(folder).resolve() in out_dir.resolve().parents:
            raise DataError(
                f"{out_dir}: lies inside {folder}, so the results would be read as images. "
                "Give another folder."
            )
        for path in image_files(folder, is_recursive=is_recursive):
            stem = recipe.stem_of(path)
            if stem in sources:
                raise DataError(
                    f"{path}: its results would have the names of those of {sources[stem]}. "
                    "Rename one of them, or move it away."
                )
            sources[stem] = path
    return sources


def _planned(
    recipe: Recipe, sources: Mapping[str, Path], out_dir: Path, workers: int | None
) -> dict[str, _Plan]:
    """The plan of each image, by what the names of its results begin with."""

    def plan(path: Path) -> _Plan:
        try:
            header = read_header(path)
        except DataError as error:
            return _Plan(path, fault=error, is_readable=False)
        try:
            if header.kind == "cmyk":
                raise DataError(f"{path}: is a CMYK image. Convert it to RGB.")
            if fault := kind_fault(header, alpha="drop"):
                raise DataError(f"{path}: {fault}")
            results = {out_dir / name: m for name, m in recipe.results(path, header).items()}
            for result in results:
                check_name(result)
        except DataError as error:
            return _Plan(path, fault=error)
        return _Plan(path, results)

    plans = in_threads(plan, list(sources.values()), workers)
    return dict(zip(sources, plans, strict=True))


def _stale(recipe: Recipe, plans: Mapping[str, _Plan], note: Note, overwrite: bool) -> list[Path]:
    """Results of a former run that this one does not make; none where the folder is not there.

    Raises:
        DataError: images that no note tells of; results of other images only; results of an image
            that cannot be read any more, so that nobody knows whether they are right.
    """
    if not note.folder.exists():
        return []
    expected = {path for plan in plans.values() for path in plan.results}
    there = [note.folder / name for name in FolderStore(note.folder).names]
    stale = [path for path in there if path not in expected]
    refuse(filter(note.is_unknown, stale), "Move it away, or give another folder.")
    if overwrite or not stale:
        return stale
    owners = {path: plans.get(recipe.owner_of(path.name)) for path in there}
    if not any(owners.values()):
        raise DataError(
            f"{note.folder}: has results of other images, such as {stale[0].name}. Give the "
            "folders of all images, or another output folder, or --overwrite to remove them."
        )
    for path in stale:
        plan = owners[path]
        if plan and not plan.is_readable:
            raise DataError(
                f"{plan.fault} {path} is of it, and this run does not know whether to keep that. "
                "Mend the image, or move it away."
            )
    return stale


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
