"""What a VOC-smooth data set is going to be: its sources, all of them read and checked.

Its files: pairs in ``PAIR_FOLDERS``, and images of each ground truth in folders of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.parallel import in_threads
from smoothkit.data.origin import Origin
from smoothkit.data.prepare.blending import (
    EDGE,
    PAIR_FOLDERS,
    Reader,
    read_8_bits,
    read_textures,
)
from smoothkit.data.prepare.filtering import read_photo
from smoothkit.data.prepare.outputs import refuse_as_output
from smoothkit.data.prepare.splitting import draw_val
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.ops.blend import EdgeChannel
from smoothkit.ops.filters import Candidate, noted_filter, parse_candidate, parse_grid
from smoothkit.ops.labels import IGNORE, NO_OBJECTS, NUM_CLASSES, decode_labels
from smoothkit.systems.csgis.over_smoothed import STRONG_FILTERS, draw_filter
from smoothkit.systems.csgis.voc import MASKS, PHOTOGRAPHS, Entry, Sources, raise_faults, select

GT, SEG, OVER = "gt", "seg", "over"
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
        texture_paths: their files.
        entries: files of each image.
        left_out: names of the list that do not take part.
        gt_filters, over_filters: of each image, None where the result is given.
        class_shares: of the pixels of all masks by class, 255 included.
        pair_folders: of each pair, the one that it goes to.
    """

    recipe: Recipe
    textures: list[np.ndarray]
    texture_paths: list[Path]
    entries: list[Entry]
    left_out: list[str]
    gt_filters: list[Candidate | None]
    over_filters: list[Candidate | None]
    class_shares: dict[int, float]
    pair_folders: list[str]

    @property
    def pairs(self) -> dict[str, int]:
        """By folder, how many pairs."""
        return {folder: self.pair_folders.count(folder) for folder in PAIR_FOLDERS}

    def image_origins(self, note: Note) -> dict[str, list[Origin]]:
        """What the images of each ground truth are made from, by folder."""
        entries = self.entries
        return {
            GT: [
                _origin("ground truth", entry.gt, entry.photo, candidate, note)
                for entry, candidate in zip(entries, self.gt_filters, strict=True)
            ],
            SEG: [Origin({"mask": note.file(entry.mask)}) for entry in entries],
            OVER: [
                _origin("over-smoothed image", entry.over, entry.photo, candidate, note)
                for entry, candidate in zip(entries, self.over_filters, strict=True)
            ],
        }


def make_plan(
    sources: Sources, out_dir: Path, recipe: Recipe, note: Note, *, workers: int | None = None
) -> Plan:
    """Read and check all sources; nothing is written.

    Args:
        note: gets their hashes.

    Raises:
        OptionError, DataError, ValueError: as ``prepare.make_voc_smooth`` says.
    """
    if not 0 < recipe.val_fraction < 1:
        raise ValueError(f"val_fraction: must be between 0 and 1, got {recipe.val_fraction}.")
    gt_filter = parse_candidate(recipe.gt_filter, "--gt_filter")
    strong = parse_grid(recipe.over_filters, "--over_filters")
    voc_dir = Path(sources.voc_dir)
    given = (sources.gt_dir, sources.over_dir, sources.tx_dir)
    of_voc = (voc_dir, voc_dir / PHOTOGRAPHS, voc_dir / MASKS)
    refuse_as_output(out_dir, [*of_voc, *given], FOLDERS)
    texture_paths = image_files(sources.tx_dir)
    selection = select(sources, recipe.seed)
    entries = selection.entries
    pair_folders = _pair_folders(recipe, len(texture_paths) * len(entries))
    textures = read_textures(texture_paths, note.read)
    check = partial(_checked, num_classes=recipe.num_classes, read=note.read)
    checked = list(in_threads(check, entries, workers))
    raise_faults(fault for faults, _ in checked for fault in faults)
    gt_filters = [None if entry.gt else gt_filter for entry in entries]
    over_filters = [
        None if entry.over else draw_filter(entry.stem, strong, recipe.seed) for entry in entries
    ]
    return Plan(
        recipe=recipe,
        textures=textures,
        texture_paths=texture_paths,
        entries=entries,
        left_out=selection.left_out,
        gt_filters=gt_filters,
        over_filters=over_filters,
        class_shares=_shares([counts for _, counts in checked]),
        pair_folders=pair_folders,
    )


def doubts(plan: Plan) -> list[str]:
    """What is probably not meant, a line each."""
    lines = []
    if not plan.class_shares.keys() - {0, IGNORE}:
        lines.append(f"{plan.entries[0].mask.parent}: {NO_OBJECTS}")
    num_val, num_small = plan.pairs["val"], plan.pairs["val_small"]
    if not num_val:
        fraction, num_pairs = plan.recipe.val_fraction, len(plan.pair_folders)
        lines.append(
            f"val is empty: val_small gets all {num_small} pairs for validation. Raise "
            "--val_fraction, or lower --num_val_small."
            if num_small
            else f"val is empty: {fraction:g} of {num_pairs} pairs is less than one. Raise "
            "--val_fraction, or use more images."
        )
    return lines


def _pair_folders(recipe: Recipe, num_pairs: int) -> list[str]:
    """Where each pair goes."""
    num_both, num_small = int(recipe.val_fraction * num_pairs), recipe.num_val_small
    if num_small is None:
        num_small = min(NUM_VAL_SMALL, num_both // 2)
    if num_small > num_both:
        raise OptionError(
            f"--num_val_small: must be at most {num_both}, the pairs for validation of "
            f"{num_pairs}, got {num_small}. Lower it, or raise --val_fraction."
        )
    names = [f"{number}.png" for number in range(num_pairs)]
    val, small = draw_val(names, recipe.val_fraction, recipe.seed, num_small)
    train_dir, val_dir, small_dir = PAIR_FOLDERS
    return [small_dir if n in small else val_dir if n in val else train_dir for n in names]


def _origin(
    role: str, given: Path | None, photo: Path | None, candidate: Candidate | None, note: Note
) -> Origin:
    """What an image is made from that is given, or else filtered from a photograph."""
    if given:
        return Origin({role: note.file(given)})
    assert photo is not None
    assert candidate is not None
    settings = noted_filter(candidate.method, candidate.settings)
    return Origin({"photograph": note.file(photo)}, settings=settings)


def _checked(entry: Entry, num_classes: int, read: Reader) -> tuple[list[str], np.ndarray]:
    """What is wrong with the files of an image, all of which are decoded, and (256,) pixels of
    its mask by class."""
    readers: dict[Path | None, Callable[[Path], np.ndarray]] = {
        entry.photo: partial(read_photo, read=read),
        entry.gt: partial(read_8_bits, read=read),
        entry.mask: lambda path: decode_labels(read(path), str(path), num_classes),
        entry.over: partial(read_8_bits, read=read),
    }
    sizes, faults, counts = {}, [], np.zeros(256, np.int64)
    for path, pixels_of in readers.items():
        try:
            if path:
                pixels = pixels_of(path)
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
