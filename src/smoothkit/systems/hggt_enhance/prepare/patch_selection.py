"""What patches are tried and chosen, and what they are called."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.systems.hggt_enhance.prepare.patch_cells import Cell, Rule
from smoothkit.systems.hggt_enhance.prepare.patch_draws import Corner, draw_corners, inside
from smoothkit.systems.hggt_enhance.prepare.picture_sets import (
    ORIGINAL,
    PictureSet,
    Size,
    refuse,
    version_stem,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """An image to take patches from.

    Args:
        pictures: its files.
        corners: where its patches may be, each once.
    """

    pictures: PictureSet
    corners: Sequence[Corner]

    @property
    def stem(self) -> str:
        """Name of the image."""
        return self.pictures.stem


@dataclass(frozen=True)
class Selection:
    """What was tried and chosen.

    Args:
        jobs: the images.
        cells: of each image, in the order of its corners.
        threshold: least ``max_dist`` that was asked for, or 0.
    """

    jobs: Sequence[Job]
    cells: Sequence[Sequence[Cell]]
    threshold: float

    @property
    def distances(self) -> list[float]:
        """``max_dist`` of all patches that pass, whatever the threshold."""
        return [cell.max_dist for cells in self.cells for cell in cells if cell.is_kept]

    def tried(self) -> Iterator[tuple[Job, Cell]]:
        """All patches, in the order in which they were drawn."""
        for job, cells in zip(self.jobs, self.cells, strict=True):
            yield from ((job, cell) for cell in cells)

    def chosen(self) -> Iterator[tuple[Job, Cell]]:
        """The patches that are saved, in order of the text file."""
        for job, cells in zip(self.jobs, self.cells, strict=True):
            yield from ((job, cell) for cell in in_order(cells, self.threshold))


def jobs_of(
    sets: Sequence[PictureSet], sizes: Sequence[Size], rule: Rule, seed: int, skip_small: bool
) -> list[Job]:
    """The images with what is drawn for them.

    All is drawn before any image is read, from one stream of numbers: what an image gets does not
    depend on who works on it. Small images draw, too, as in the published code.

    Args:
        sizes: height and width of each set.
        skip_small: leave out images that are smaller than a patch.

    Raises:
        DataError: images are smaller than a patch, which are to be left out or are all.
    """
    rng, crop = random.Random(seed), rule.crop_size
    jobs, small, num_twins = [], [], 0
    for pictures, (height, width) in zip(sets, sizes, strict=True):
        fitting = inside(draw_corners(rng, height, width, rule.step_size), height, width, crop)
        if min(height, width) < crop:
            small.append(f"{pictures.files[ORIGINAL]}: is smaller, {height}x{width}.")
        else:
            corners = list(dict.fromkeys(fitting))
            num_twins += len(fitting) - len(corners)
            jobs.append(Job(pictures, corners))
    if small:
        told = f"{len(small)} of {len(sets)} images are smaller than --crop_size {crop}"
        if not skip_small:
            refuse([f"{told}. Move them away, or give --skip_small.", *small])
        if not jobs:
            raise DataError(f"{told}. Give a smaller one.")
        log.warning("%s and skipped.\n%s", told, "\n".join(small))
    if num_twins:
        log.warning("%d patches were drawn twice, which a small --step_size allows.", num_twins)
    return jobs


def in_order(cells: Sequence[Cell], threshold: float) -> list[Cell]:
    """The patches of an image that are saved: largest difference first, the last of equal ones."""
    kept = [(cell.max_dist, n) for n, cell in enumerate(cells) if cell.is_kept]
    return [cells[n] for dist, n in sorted(kept, reverse=True) if dist >= threshold]


def patch_stem(stem: str, corner: Corner) -> str:
    """Name of a set of patches: that of the image, top row, left column."""
    top, left = corner
    return f"{stem}-{top}-{left}"


def patch_path(out_dir: Path, stem: str, corner: Corner, version: str) -> Path:
    """Where the patch of a version, or of the original, is saved."""
    return out_dir / version / f"{version_stem(patch_stem(stem, corner), version)}.png"


def info_of(selection: Selection) -> bytes:
    """The text file: a line for each set of patches, with its difference and a running number."""
    lines = (
        f"{patch_stem(job.stem, cell.corner)}-{cell.max_dist:.4f}-{number}.png\n"
        for number, (job, cell) in enumerate(selection.chosen(), 1)
    )
    return os.fsencode("".join(lines))  # names that are not UTF-8 keep their bytes
