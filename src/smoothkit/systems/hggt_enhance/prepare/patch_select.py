"""Patches of images and their enhanced versions, chosen by contrast and detail.

Layout: ``original/<stem>-<row>-<column>.png``, ``01/<stem>-<row>-<column>_01.png``, ..., and
``crop_area_info.txt`` with a line for each set. ``.cells/<stem>.json`` has the figures of all that
was tried, ``contact.html`` shows a part of it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from tqdm import tqdm

from smoothkit.core.cpu import usable_cpus
from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, check_name, parse_json, remove_leftovers, text_bytes
from smoothkit.core.parallel import in_threads
from smoothkit.data.file_hashes import digest_of
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note
from smoothkit.data.provenance import refuse as refuse_unknown
from smoothkit.data.store import FolderStore
from smoothkit.ops.io import encode_image, read_bytes
from smoothkit.systems.hggt_enhance.prepare.min_dist import MinDist
from smoothkit.systems.hggt_enhance.prepare.patch_cells import (
    Cell,
    Rule,
    as_records,
    cells_of,
    cut_out,
    figures_of,
    from_records,
)
from smoothkit.systems.hggt_enhance.prepare.patch_page import contact_page
from smoothkit.systems.hggt_enhance.prepare.patch_selection import (
    Job,
    Selection,
    in_order,
    info_of,
    jobs_of,
    patch_path,
)
from smoothkit.systems.hggt_enhance.prepare.picture_sets import (
    check_places,
    find_sets,
    read_pixels,
    refuse,
    sizes_of,
)

log = logging.getLogger(__name__)

INFO_FILE = "crop_area_info.txt"
PAGE_FILE = "contact.html"
CELLS_FOLDER = ".cells"
_ADVICE = "Give another folder, or --overwrite to replace what is there."
# While the patches of one image are written the next one is read; each takes memory.
_IMAGES_AT_A_TIME = 2
# Threads that save patches beyond the CPUs: each waits for the disk after a patch.
_WAITING = 2


def select_patches(
    img_path: str | Path,
    save_path: str | Path,
    rule: Rule | None = None,
    *,
    seed: int = 0,
    min_dist: MinDist | None = None,
    skip_small: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
) -> Selection:
    """Save the patches that pass, and say what was tried.

    Files are kept that the note of ``save_path`` says are made from these images by this rule.
    Others that it tells of are made anew, or removed where they are no longer chosen, as under
    another seed or ``min_dist``. Images that cannot be decoded are named by an error when the rest
    is done.

    Args:
        img_path: has ``original`` and a folder for each version; see ``find_sets``.
        save_path: made where missing.
        rule: what is tried and kept; None for the published one.
        seed: of the draws, which go through the images by file name.
        min_dist: leave out patches of which no version differs that much; None keeps them.
        skip_small: go on without images that are smaller than a patch.
        overwrite: make all anew, also in the place of files that no note tells of; further images
            that no note tells of are left where they are.
        workers: threads; None for one for each usable CPU. Results do not depend on it.

    Raises:
        DataError: images are missing, of different sizes, or too small; ``save_path`` has files
            that no note tells of, or patches of other images only; a file cannot be written; at
            the end, every image that cannot be decoded.

    Source: patch_select.py of HGGT; same draws and names at the same seed and order of files.
    Differs: files are sorted by name. A position that is drawn twice, which takes a step of 32 or
    less, is saved and listed once; the published text file lists it twice. Images are read as
    ``read_pixels`` says.
    """
    rule, out_dir = rule or Rule(), Path(save_path)
    check_places(img_path, out_dir)
    sets = find_sets(img_path)
    sizes = sizes_of(sets, workers)
    jobs = jobs_of(sets, sizes, rule, seed, skip_small)
    for pictures, (height, width) in zip(sets, sizes, strict=True):
        for version in pictures.files:  # no corner has more digits
            check_name(patch_path(out_dir, pictures.stem, (height, width), version))
    with Note(out_dir) as note:
        selector = _Selector(
            rule, seed, list(sets[0].files), note, workers or usable_cpus(), overwrite=overwrite
        )
        selector.begin(jobs)
        threshold, known = min_dist.value if min_dist else 0.0, None
        if min_dist and min_dist.is_quantile:
            # Only the figures of all images tell which patches to save.
            known = selector.run(jobs, None)
            threshold = min_dist.threshold(Selection(jobs, known, 0.0).distances)
        selection = Selection(jobs, selector.run(jobs, threshold, known), threshold)
        selector.finish(selection)
    return selection


class _Selector:
    """Makes what is in the folder of a note, on several threads."""

    def __init__(
        self,
        rule: Rule,
        seed: int,
        folders: Sequence[str],
        note: Note,
        workers: int,
        *,
        overwrite: bool,
    ) -> None:
        self.rule, self.settings = rule, {**asdict(rule), "seed": seed}
        self.out_dir, self.folders, self.note = note.folder, folders, note
        self.workers, self.overwrite = workers, overwrite

    def begin(self, jobs: Sequence[Job]) -> None:
        """Look at what is there.

        Raises:
            DataError: no note tells of a file, or there are patches of other images only, and
                nothing is to be overwritten.
        """
        for folder in (".", CELLS_FOLDER, *self.folders):
            remove_leftovers(self.out_dir / folder)
        if not self.overwrite:
            lists = [self.out_dir / INFO_FILE, self.out_dir / PAGE_FILE]
            there = [*lists, *self._files([CELLS_FOLDER, *self.folders])]
            refuse_unknown(filter(self.note.is_unknown, there), _ADVICE)
            held = [path.stem for path in self._files([CELLS_FOLDER])]
            if held and not {job.stem for job in jobs}.intersection(held):
                raise DataError(
                    f"{self.out_dir}: has patches of other images, such as {held[0]}. Give another "
                    "folder, or --overwrite to remove them."
                )

    def run(
        self,
        jobs: Sequence[Job],
        threshold: float | None,
        known: Sequence[list[Cell]] | None = None,
    ) -> list[list[Cell]]:
        """The cells of each image; saves those that reach the threshold, none where it is None.

        Args:
            known: the cells, as a former call gave them.

        Raises:
            DataError: at the end, every image that cannot be used; at once, where a file cannot be
                written.
        """
        found = in_threads(
            lambda n: self._take(jobs[n], known[n] if known else None, threshold),
            range(len(jobs)),
            min(_IMAGES_AT_A_TIME, self.workers),
        )
        results = list(tqdm(found, total=len(jobs), unit="image", disable=not sys.stderr.isatty()))
        refuse(str(result) for result in results if isinstance(result, DataError))
        return [result for result in results if not isinstance(result, DataError)]

    def finish(self, selection: Selection) -> None:
        """Remove patches that are not chosen any more; write the text file and the page."""
        self._remove_others(selection)
        records = [as_records(cells) for cells in selection.cells]
        origin = Origin(
            {"choice": ("of patches", digest_of(text_bytes(as_json(records))))},
            settings={**self.settings, "threshold": selection.threshold},
        )
        contents: dict[Path, Callable[[], bytes]] = {
            self.out_dir / INFO_FILE: partial(info_of, selection),
            self.out_dir / PAGE_FILE: partial(
                contact_page, selection, self.out_dir, self.rule, self.workers
            ),
        }
        due = self._due(contents, lambda _: origin)
        for path in [path for path in contents if path in due]:
            self.note.write(path, contents[path](), origin)

    def _take(
        self, job: Job, cells: list[Cell] | None, threshold: float | None
    ) -> list[Cell] | DataError:
        record = self._record(job)
        images: dict[str, np.ndarray] = {}
        is_new = False
        try:
            if cells is None:
                is_new = bool(self._due([record], lambda _: self._origin(job)))
                if is_new:
                    images = self._read(job)
                    cells = self._cells(job, images)
                else:
                    cells = from_records(parse_json(read_bytes(record)))
            patches = self._patches(job, [] if threshold is None else in_order(cells, threshold))
            if patches and not images:
                images = self._read(job)
        except DataError as error:  # of what is read; others end the run
            return error
        if is_new:
            content = text_bytes(as_json(as_records(cells)))
            self.note.write(record, content, self._origin(job))
        self._save(job, patches, images)
        return cells

    def _due(self, results: Iterable[Path], origin: Callable[[Path], Origin]) -> set[Path]:
        return self.note.due(results, origin, is_all=self.overwrite, what_to_do=_ADVICE)

    def _record(self, job: Job) -> Path:
        """Where the cells of an image are kept."""
        return self.out_dir / CELLS_FOLDER / f"{job.stem}.json"

    def _origin(self, job: Job) -> Origin:
        """What the cells of an image depend on."""
        files = {version: self.note.file(path) for version, path in job.pictures.files.items()}
        drawn = crc32(as_json(job.corners).encode())
        return Origin(files, settings={**self.settings, "drawn": drawn})

    def _patch_origin(self, job: Job, version: str, cell: Cell) -> Origin:
        place = {"top": cell.top, "left": cell.left, "crop_size": self.rule.crop_size}
        return Origin({"image": self.note.file(job.pictures.files[version])}, settings=place)

    def _read(self, job: Job) -> dict[str, np.ndarray]:
        files = job.pictures.files
        read = partial(read_pixels, read=self.note.read)
        return dict(zip(files, in_threads(read, list(files.values()), self.workers), strict=True))

    def _cells(self, job: Job, images: Mapping[str, np.ndarray]) -> list[Cell]:
        figures = in_threads(
            lambda image: figures_of(image, job.corners, self.rule),
            list(images.values()),
            self.workers,
        )
        named = dict(zip(images, figures, strict=True))
        return cells_of(images, named, job.corners, self.rule)

    def _patches(self, job: Job, chosen: Sequence[Cell]) -> dict[Path, tuple[str, Cell]]:
        """The patches that are missing or outdated: folder and cell of each."""
        patches = {
            patch_path(self.out_dir, job.stem, cell.corner, version): (version, cell)
            for version in job.pictures.files
            for cell in chosen
        }
        due = self._due(patches, lambda path: self._patch_origin(job, *patches[path]))
        return {path: patch for path, patch in patches.items() if path in due}

    def _save(
        self,
        job: Job,
        patches: Mapping[Path, tuple[str, Cell]],
        images: Mapping[str, np.ndarray],
    ) -> None:
        def save(path: Path) -> None:
            version, cell = patches[path]
            patch = cut_out(images[version], cell.corner, self.rule.crop_size)
            # OpenCV's own compression: 4 % more than Pillow's, in a seventh of the time.
            self.note.write(path, encode_image(patch), self._patch_origin(job, version, cell))

        for _ in in_threads(save, list(patches), self.workers + _WAITING):
            pass

    def _files(self, folders: Iterable[str]) -> Iterator[Path]:
        """Images and figures in some folders of the results."""
        for folder in folders:
            place = self.out_dir / folder
            if folder == CELLS_FOLDER:
                yield from place.glob("*.json")
            elif place.is_dir():
                yield from (place / name for name in FolderStore(place).names)

    def _remove_others(self, selection: Selection) -> None:
        """Remove what the note tells of and the selection has not, also of former versions."""
        kept = {self._record(job) for job in selection.jobs} | {
            patch_path(self.out_dir, job.stem, cell.corner, folder)
            for job, cell in selection.chosen()
            for folder in self.folders
        }
        folders = [path.name for path in self.out_dir.iterdir() if path.is_dir()]
        others = [path for path in self._files(folders) if path not in kept]
        known = [path for path in others if not self.note.is_unknown(path)]
        for path in known:
            try:
                path.unlink()
            except OSError as error:
                raise DataError(f"{path}: cannot be removed: {error.strerror}.") from error
        for folder in {path.parent.name for path in known} - set(self.folders):
            with suppress(OSError):  # it has other files
                (self.out_dir / folder).rmdir()
        if known:
            told = "%s: removed files of patches that are not chosen any more: %d."
            log.info(told, self.out_dir, len(known))
        if foreign := len(others) - len(known):
            log.warning("%s: left images that are none of the patches: %d.", self.out_dir, foreign)
