"""A page that shows patches that were kept and left out, with their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from smoothkit.core.files import text_bytes
from smoothkit.core.html import details, figure, grid, page, section, table
from smoothkit.core.parallel import in_threads
from smoothkit.ops.io import encode_image, read_image
from smoothkit.systems.hggt_enhance.prepare.min_dist import counts
from smoothkit.systems.hggt_enhance.prepare.patch_cells import Cell, Rule, cut_out
from smoothkit.systems.hggt_enhance.prepare.patch_selection import (
    Job,
    Selection,
    in_order,
    patch_path,
    patch_stem,
)
from smoothkit.systems.hggt_enhance.prepare.picture_sets import ORIGINAL, read_pixels

# Patches shown of each kind, and pixels of a picture's side.
_SHOWN = 6
_SIDE = 200

Tried = tuple[Job, Cell]


def contact_page(selection: Selection, out_dir: Path, rule: Rule, workers: int) -> bytes:
    """The page, as HTML; pictures are inside.

    Args:
        selection: what was tried.
        out_dir: where the chosen patches are saved.
        rule: what they were chosen by.
        workers: threads.

    Raises:
        DataError: an image cannot be read.
    """
    kept = sorted(selection.chosen(), key=lambda tried: tried[1].max_dist)
    below = [(job, cell) for job, cell in selection.tried() if cell.is_kept]
    below = [(job, cell) for job, cell in below if cell.max_dist < selection.threshold]
    below.sort(key=lambda tried: -tried[1].max_dist)
    failing = [(job, cell) for job, cell in selection.tried() if not cell.is_kept]
    failing.sort(key=lambda tried: -_nearness(tried[1], rule))
    numbers = [
        ["kept", len(kept)],
        ["left out by --min_dist", len(below)],
        ["left out by the thresholds", len(failing)],
    ]

    def rows(tried: Sequence[Tried]) -> str:
        return _grid(in_threads(lambda one: _saved_row(*one, out_dir), tried, workers), "36rem")

    def originals(tried: Sequence[Tried]) -> str:
        size = rule.crop_size
        return _grid(in_threads(lambda one: _original(*one, size), tried, workers), "12rem")

    folders = ", ".join(selection.jobs[0].pictures.files)
    return text_bytes(
        page(
            f"Patches of {len(selection.jobs)} images",
            f"<p>{escape(_told(rule, selection.threshold))}</p>",
            table(["patches", "number"], numbers),
            section(
                "What --min_dist would leave out",
                table(["--min_dist", "difference", "sets"], counts(selection.distances)),
            ),
            section(
                f"Kept, with the least difference: the middle of {folders}", rows(kept[:_SHOWN])
            ),
            section(
                f"Kept, with the most difference: the middle of {folders}",
                rows(kept[_SHOWN:][: -_SHOWN - 1 : -1]),
            ),
            section(
                "Left out by --min_dist, the last ones first: originals",
                originals(below[:_SHOWN]),
            ),
            section(
                "Left out by the thresholds, from nearly kept to flat: originals",
                originals(_spread(failing)),
            ),
            section("Images", details("all images", _image_table(selection))),
        )
    )


def _told(rule: Rule, threshold: float) -> str:
    """The rule in words."""
    return (
        f"Patches of {rule.crop_size} pixels, a grid of {rule.step_size}. Kept where a version or "
        f"the original has a standard deviation of {rule.cont_var_thresh} or more and a variance "
        f"of the Laplacian ({rule.laplacian}) of {rule.freq_var_thresh} or more, and where the "
        f"largest mean difference ({rule.distance}) from the original is {threshold:.4g} or more. "
        "Figures below a picture are in the order of the folders."
    )


def _nearness(cell: Cell, rule: Rule) -> float:
    """How near the best picture of a patch comes to the thresholds: 1 where it reaches both."""

    def reached(figure: float, threshold: int) -> float:
        return min(1.0, figure / threshold) if threshold else 1.0

    return max(
        reached(cell.std[name], rule.cont_var_thresh)
        * reached(cell.laplacian_var[name], rule.freq_var_thresh)
        for name in cell.std
    )


def _spread(tried: Sequence[Tried]) -> list[Tried]:
    """At most as many as are shown, evenly from the first to the last."""
    count = min(_SHOWN, len(tried))
    return [tried[round(i * (len(tried) - 1) / max(count - 1, 1))] for i in range(count)]


def _saved_row(job: Job, cell: Cell, out_dir: Path) -> str:
    """The middle of original and versions, side by side: shrunk, sharper ones look like others."""
    paths = [patch_path(out_dir, job.stem, cell.corner, version) for version in job.pictures.files]
    return _figure([_middle(read_image(path)) for path in paths], job, cell)


def _original(job: Job, cell: Cell, crop: int) -> str:
    image = read_pixels(job.pictures.files[ORIGINAL])
    patch = cut_out(image, cell.corner, crop)
    return _figure([cv2.resize(patch, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)], job, cell)


def _middle(patch: np.ndarray) -> np.ndarray:
    start = max(0, (patch.shape[0] - _SIDE) // 2)
    return cut_out(patch, (start, start), _SIDE)


def _figure(pictures: Sequence[np.ndarray], job: Job, cell: Cell) -> str:
    content = encode_image(np.hstack(pictures), ".jpg", params=(cv2.IMWRITE_JPEG_QUALITY, 90))
    stds = " ".join(f"{value:.0f}" for value in cell.std.values())
    variances = " ".join(f"{value:.0f}" for value in cell.laplacian_var.values())
    dists = " ".join(f"{value:.2f}" for value in cell.dist.values())
    caption = (
        f"{patch_stem(job.stem, cell.corner)}: difference {dists}; standard deviation {stds}; "
        f"Laplacian {variances}"
    )
    return figure(content, caption, kind="jpeg")


def _grid(figures: Iterable[str], width: str) -> str:
    found = list(figures)
    return grid(found, width=width) if found else ""


def _image_table(selection: Selection) -> str:
    rows = []
    for job, cells in zip(selection.jobs, selection.cells, strict=True):
        chosen = in_order(cells, selection.threshold)
        least = min((cell.max_dist for cell in chosen), default="")
        most = max((cell.max_dist for cell in chosen), default="")
        rows.append([job.stem, len(cells), len(chosen), least, most])
    return table(["image", "tried", "kept", "least difference", "most"], rows)
