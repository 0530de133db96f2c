"""What a VOC-smooth data set is going to be: its sources, all of them read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.parallel import in_threads
from smoothkit.data.prepare.blending import PAIR_FOLDERS, read_8_bits, read_textures
from smoothkit.data.prepare.claims import checksums, refuse_as_output
from smoothkit.data.prepare.filtering import read_photo
from smoothkit.data.store import image_files
from smoothkit.ops.blend import EdgeChannel
from smoothkit.ops.filters import Candidate, parse_candidate, parse_grid
from smoothkit.ops.labels import IGNORE, NO_OBJECTS, NUM_CLASSES, read_labels
from smoothkit.systems.csgis.over_smoothed import STRONG_FILTERS, draw_filter
from smoothkit.systems.csgis.voc import MASKS, PHOTOGRAPHS, Entry, Sources, raise_faults, select

GT, EDGE, SEG, OVER = "gt", "edge", "seg", "over"
FOLDERS = (*PAIR_FOLDERS, GT, EDGE, SEG, OVER)
GT_FILTER = "rtv:lam=0.01"
NUM_VAL_SMALL = 100  # the test set of the reference


@dataclass(frozen=True)
class Recipe:
    """How a data set is made of its sources.

    Args:
        gt_filter: makes ground truths of photographs, where none are given.
        over_filters: one of them, drawn for each image, makes its over-smoothed image, where none
            are given. Of several values of a setting each counts as a filter.
        val_fraction: of the pairs, rounded down, goes to ``val`` and ``val_small``.
        num_val_small: of these go to ``val_small``; ~ for 100, or half of them where there are
            fewer than 200.
        edge_channel: what edges are taken from; see ``edge_map``.
        num_classes: that masks may have; 255 may be there too.
        seed: of the choice of images, of the filters and of the split.
    """

    gt_filter: str = GT_FILTER
    over_filters: Sequence[str] = STRONG_FILTERS
    val_fraction: float = 0.1
    num_val_small: int | None = None
    edge_channel: EdgeChannel = "blue"
    num_classes: int = NUM_CLASSES
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """A data set before anything of it is made.

    Args:
        recipe: how it is made.
        textures: grey levels of each.
        entries: files of each image.
        left_out: names of the list that do not take part.
        gt_filters, over_filters: of each image, None where the result is given.
        class_shares: of the pixels of all masks by class, 255 included.
        num_val, num_val_small: pairs that go to ``val`` and ``val_small``.
        made_from: what ``sources.json`` is to hold.
    """

    recipe: Recipe
    textures: list[np.ndarray]
    entries: list[Entry]
    left_out: list[str]
    gt_filters: list[Candidate | None]
    over_filters: list[Candidate | None]
    class_shares: dict[int, float]
    num_val: int
    num_val_small: int
    made_from: dict[str, Any]


def make_plan(
    sources: Sources, out_dir: Path, recipe: Recipe, *, workers: int | None = None
) -> Plan:
    """Read and check all sources; nothing is written.

    Raises:
        OptionError, DataError, ValueError: as ``prepare.make_voc_smooth`` says.
    """
    if not 0 < recipe.val_fraction < 1:
        raise ValueError(f"val_fraction: must be between 0 and 1, got {recipe.val_fraction}.")
    gt_filter = parse_candidate(recipe.gt_filter, "--gt_filter")
    strong = parse_grid(recipe.over_filters, "--over_filters")
    _refuse_own_folders(sources, out_dir)
    voc_dir = Path(sources.voc_dir)
    given = (sources.gt_dir, sources.over_dir, sources.tx_dir)
    refuse_as_output(out_dir, [voc_dir, voc_dir / PHOTOGRAPHS, voc_dir / MASKS, *given])
    texture_paths = image_files(sources.tx_dir)
    selection = select(sources, recipe.seed)
    entries = selection.entries
    num_val, num_val_small = _num_val(recipe, len(texture_paths) * len(entries))
    textures = read_textures(texture_paths)
    check = partial(_checked, num_classes=recipe.num_classes)
    checked = list(in_threads(check, entries, workers))
    raise_faults(fault for faults, _ in checked for fault in faults)
    gt_filters = [None if entry.gt else gt_filter for entry in entries]
    over_filters = [
        None if entry.over else draw_filter(entry.stem, strong, recipe.seed) for entry in entries
    ]
    made_from = {
        "textures": checksums(texture_paths),
        "ground truths": list(_origins([e.truth for e in entries], gt_filters)),
        "masks": checksums(entry.mask for entry in entries),
        "over-smoothed images": list(_origins([e.over or e.photo for e in entries], over_filters)),
        "settings": {
            "val_fraction": recipe.val_fraction,
            "num_val_small": num_val_small,
            "edge_channel": recipe.edge_channel,
            "seed": recipe.seed,
        },
    }
    return Plan(
        recipe=recipe,
        textures=textures,
        entries=entries,
        left_out=selection.left_out,
        gt_filters=gt_filters,
        over_filters=over_filters,
        class_shares=_shares([counts for _, counts in checked]),
        num_val=num_val,
        num_val_small=num_val_small,
        made_from=made_from,
    )


def doubts(plan: Plan) -> list[str]:
    """What is probably not meant, a line each."""
    lines = []
    if not plan.class_shares.keys() - {0, IGNORE}:
        lines.append(f"{plan.entries[0].mask.parent}: {NO_OBJECTS}")
    if not plan.num_val:
        fraction, num_pairs = plan.recipe.val_fraction, len(plan.textures) * len(plan.entries)
        lines.append(
            f"val is empty: val_small gets all {plan.num_val_small} pairs for validation. Raise "
            "--val_fraction, or lower --num_val_small."
            if plan.num_val_small
            else f"val is empty: {fraction:g} of {num_pairs} pairs is less than one. Raise "
            "--val_fraction, or use more images."
        )
    return lines


def described(candidate: Candidate) -> dict[str, Any]:
    """A filter as notes have it."""
    return {"method": candidate.method, "settings": dict(candidate.settings)}


def _refuse_own_folders(sources: Sources, out_dir: Path) -> None:
    own = {(out_dir / folder).resolve() for folder in FOLDERS}
    for folder in (sources.tx_dir, sources.gt_dir, sources.over_dir):
        if folder and Path(folder).resolve() in own:
            raise DataError(f"{folder}: is where results go. Copy the images elsewhere.")


def _num_val(recipe: Recipe, num_pairs: int) -> tuple[int, int]:
    """Pairs of ``val`` and of ``val_small``."""
    num_both, num_small = int(recipe.val_fraction * num_pairs), recipe.num_val_small
    if num_small is None:
        num_small = min(NUM_VAL_SMALL, num_both // 2)
    if num_small > num_both:
        raise OptionError(
            f"--num_val_small: must be at most {num_both}, the pairs for validation of "
            f"{num_pairs}, got {num_small}. Lower it, or raise --val_fraction."
        )
    return num_both - num_small, num_small


def _checked(entry: Entry, num_classes: int) -> tuple[list[str], np.ndarray]:
    """What is wrong with the files of an image, all of which are decoded, and (256,) pixels of
    its mask by class."""
    readers: dict[Path | None, Callable[[Path], np.ndarray]] = {
        entry.photo: read_photo,
        entry.gt: read_8_bits,
        entry.mask: partial(read_labels, num_classes=num_classes),
        entry.over: read_8_bits,
    }
    sizes, faults, counts = {}, [], np.zeros(256, np.int64)
    for path, read in readers.items():
        try:
            if path:
                pixels = read(path)
                sizes[path] = pixels.shape[:2]
                if path == entry.mask:
                    counts = np.bincount(pixels.ravel(), minlength=256)
        except DataError as error:
            faults.append(str(error))
    height, width = expected = sizes.get(entry.truth, (0, 0))
    faults += [
        f"{path}: must have the size of {entry.truth}, {height}x{width}, got {size[0]}x{size[1]}."
        for path, size in sizes.items()
        if entry.truth in sizes and size != expected
    ]
    return faults, counts


def _shares(counts: Sequence[np.ndarray]) -> dict[int, float]:
    """Of the pixels, by class; only classes that there are."""
    total = np.sum(counts, axis=0)
    return {int(c): float(total[c] / total.sum()) for c in np.flatnonzero(total)}


def _origins(
    paths: Sequence[Path | None], filters: Sequence[Candidate | None]
) -> Iterator[list[Any]]:
    """Name and checksum of what each image is made from, and the filter that makes it."""
    for path, candidate in zip(paths, filters, strict=True):
        assert path is not None
        yield [*checksums([path])[0], *([described(candidate)] if candidate else [])]
