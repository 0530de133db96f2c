"""Every image of a file or folder through a function, one result file each."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from smoothkit.core.devices import is_broken, refuse_device_failure
from smoothkit.core.errors import DataError
from smoothkit.core.files import check_name, remove_leftovers
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note, Standing, refuse, told
from smoothkit.data.store import FolderStore
from smoothkit.ops.io import SUFFIXES, encode_image

log = logging.getLogger(__name__)

# What a network or a solver raises for an image that it cannot take; one image must not end all.
_UNFORESEEN = (RuntimeError, ValueError, ArithmeticError, AssertionError, MemoryError)


@dataclass(frozen=True)
class Job:
    """One image to make.

    Args:
        source: the input.
        target: where the result goes.
        others: further results that are made with it.
    """

    source: Path
    target: Path
    others: tuple[Path, ...] = ()

    @property
    def results(self) -> tuple[Path, ...]:
        """Every file that is made."""
        return (self.target, *self.others)


def run(
    args: argparse.Namespace,
    function: Callable[[np.ndarray], np.ndarray],
    *,
    weights: Mapping[str, str | Path] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> int:
    """Make the results that are missing or outdated; 2 if an input could not be used.

    Args:
        args: with the options of ``cli.arguments.add_pictures``.
        function: BGR, BGRA or grey array to one of the same kind and type.
        weights: files that results depend on, by what they are.
        settings: what else they depend on.

    Raises:
        DataError: no input, or a result cannot be written (which would not get better).
    """

    def origins(job: Job, note: Note) -> dict[Path, Origin]:
        files = {role: note.file(path) for role, path in (weights or {}).items()}
        return {job.target: Origin({"image": note.file(job.source)}, files, settings or {})}

    def results(job: Job, note: Note) -> dict[Path, np.ndarray]:
        return {job.target: function(read_whole(job.source, note))}

    jobs = plan(args.input, args.output, suffix=args.suffix, ext=args.ext)
    return make(jobs, args, results, origins)


def make(
    jobs: Sequence[Job],
    args: argparse.Namespace,
    function: Callable[[Job, Note], Mapping[Path, np.ndarray]],
    origins: Callable[[Job, Note], Mapping[Path, Origin]],
    kept: Iterable[Path] = (),
) -> int:
    """``run`` with a function from a job to the images of its result files.

    Args:
        jobs: what to make.
        args: as for ``run``.
        function: called for each job; reads images through the note, which keeps their hashes.
        origins: what each result of a job is made from.
        kept: files that are read besides, such as masks, which no result may replace.

    Raises:
        DataError: as ``run``, two inputs would get one file, or a result would replace what is
            read, or a file that no note tells of.
    """
    _refuse_clashes(jobs, kept)
    with Note(args.output) as note:
        missing = _to_make(jobs, args, note, origins)
        for folder in {path.parent for job in missing for path in job.results}:
            remove_leftovers(folder)
        failures = _make(missing, function, note, origins)
    made, there = len(missing) - failures, len(jobs) - len(missing)
    log.info("%d made, %d already there, %d skipped: %s", made, there, failures, args.output)
    return 2 if failures else 0


def _refuse_clashes(jobs: Sequence[Job], kept: Iterable[Path]) -> None:
    read = {path.resolve() for path in (*(job.source for job in jobs), *kept)}
    owners: dict[Path, Path] = {}
    for job in jobs:
        for path in job.results:
            if path.resolve() in read:
                raise DataError(f"{path}: is read, and a result would replace it. Give another -o.")
            if owners.setdefault(path, job.source) != job.source:
                raise DataError(
                    f"{job.source}: would get {path}, which is a result of {owners[path]}. "
                    "Rename one."
                )


def _to_make(
    jobs: Sequence[Job],
    args: argparse.Namespace,
    note: Note,
    origins: Callable[[Job, Note], Mapping[Path, Origin]],
) -> list[Job]:
    """The jobs with a result that is missing or outdated, or all where they are to be."""
    if args.overwrite:
        return list(jobs)
    found = {job: _standings(job, note, origins) for job in jobs}
    refuse(
        (p for job, all_ in found.items() for p, s in all_.items() if s.kind == "unknown"),
        "Give another -o, or --overwrite to replace what is there.",
    )
    missing, outdated = [], []
    for job, standings in found.items():
        if any(standing.kind != "current" for standing in standings.values()):
            missing.append(job)
            outdated += [s for s in standings.values() if s.kind == "outdated"][:1]
    for line in told(outdated, args.output):
        log.info("%s", line)
    return missing


def _standings(
    job: Job, note: Note, origins: Callable[[Job, Note], Mapping[Path, Origin]]
) -> dict[Path, Standing]:
    """Of each result of a job."""

    @cache
    def wanted() -> Mapping[Path, Origin]:
        return origins(job, note)

    def origin(path: Path) -> Origin:
        return wanted()[path]

    return {path: note.standing(path, partial(origin, path)) for path in job.results}


def _make(
    missing: Sequence[Job],
    function: Callable[[Job, Note], Mapping[Path, np.ndarray]],
    note: Note,
    origins: Callable[[Job, Note], Mapping[Path, Origin]],
) -> int:
    """Make the results of the jobs; the number of those that could not be."""
    failures = 0
    for job in tqdm(missing, unit="image", disable=not sys.stderr.isatty()):
        try:
            for path in job.results:
                check_name(path)
            images = function(job, note)
            wanted = origins(job, note)
            contents = {
                path: encode_image(image, path.suffix, name=str(path))
                for path, image in images.items()
            }
        except DataError as error:
            message = str(error)
            named = message if str(job.source) in message else f"{job.source}: {message}"
            log.error("skipped: %s", named)
            failures += 1
            continue
        except _UNFORESEEN as error:
            if is_broken(error):  # so would be all images that follow
                refuse_device_failure(error, str(job.source))
            log.error("skipped: %s: %s", job.source, error or type(error).__name__)
            log.debug("where it went wrong:", exc_info=True)
            failures += 1
            continue
        for path, content in contents.items():
            note.write(path, content, wanted[path])
    return failures


def plan(
    source: str | Path, out_dir: str | Path, *, suffix: str = "", ext: str | None = None
) -> list[Job]:
    """The jobs for an image, or for all images below a folder; folders inside are kept.

    Raises:
        DataError: no image there, an unknown ``ext``, an output that is a file, or two inputs that
            would get one result.
    """
    source, out_dir = Path(source), Path(out_dir)
    if ext is not None and f".{ext.lstrip('.').lower()}" not in SUFFIXES:
        raise DataError(f"--ext {ext}: no such format. Known: {', '.join(sorted(SUFFIXES))}.")
    if out_dir.exists() and not out_dir.is_dir():
        raise DataError(f"{out_dir}: must be a folder, is a file.")
    if out_dir.suffix.lower() in SUFFIXES and not out_dir.is_dir():
        raise DataError(
            f"-o {out_dir}: is the name of an image, but results go into a folder, under the names "
            f"of their inputs. Give a folder, such as {out_dir.with_suffix('')}."
        )
    seen: dict[Path, Path] = {}
    jobs = []
    for path, name in _inputs(source, out_dir):
        end = f".{ext.lstrip('.')}" if ext else name.suffix
        target = out_dir / name.parent / f"{name.stem}{suffix}{end}"
        if target.resolve() == path.resolve():
            raise DataError(f"{path}: would be replaced by its result. Give another --output.")
        if target in seen:
            raise DataError(f"{path}: would get the result file of {seen[target]}. Rename one.")
        seen[target] = path
        jobs.append(Job(path, target))
    # Results beside their inputs are no inputs, or a second run would take them.
    results = {target.resolve() for target in seen}
    return [job for job in jobs if job.source.resolve() not in results]


def read_whole(path: Path, note: Note) -> np.ndarray:
    """(H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA as stored, upright; CMYK is converted.

    Raises:
        DataError: it cannot be read.
    """
    return note.image(path, "whole", cmyk="convert")


def _inputs(source: Path, out_dir: Path) -> Iterator[tuple[Path, Path]]:
    """Each input with its path below the source folder."""
    if source.is_file():
        yield source, Path(source.name)
        return
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder.")
    inside = out_dir.resolve()
    is_below = source.resolve() in inside.parents
    found = 0
    store = FolderStore(source, is_recursive=True)
    store.tell_left_aside()
    for name in store.names:
        path = source / name
        # Results below the input are no inputs, or a second run would take them.
        if is_below and path.resolve().is_relative_to(inside):
            continue
        found += 1
        yield path, Path(name)
    if not found:
        raise DataError(f"{source}: has no images. Known formats: {', '.join(sorted(SUFFIXES))}.")
