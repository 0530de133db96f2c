"""VOC-smooth: textured pairs with edges, masks and over-smoothed images of each ground truth.

Layout: ``train``, ``val`` and ``val_small`` share the pairs ``<t * N + b>.png`` of texture t and
ground truth b, of N; ``gt``, ``edge``, ``seg`` and ``over`` have ``<b>.png``; ``map.txt`` says
which image has number b, ``over.json`` by which filter it is over-smoothed, and the folder's note
what each file is made from.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from smoothkit.core.files import as_json, remove_leftovers, text_bytes
from smoothkit.core.parallel import in_threads
from smoothkit.data.prepare.blending import (
    EDGE,
    SAME_PAIRS,
    blend_images,
    edge_origins,
    pair_origins,
)
from smoothkit.data.prepare.filtering import read_photo
from smoothkit.data.prepare.numbering import MAP_FILE, map_bytes
from smoothkit.data.prepare.outputs import due_of_set, list_origins
from smoothkit.data.provenance import Note, Writer
from smoothkit.ops.filters import Candidate, apply_filter
from smoothkit.ops.io import encode_image, read_bytes, read_image
from smoothkit.ops.labels import decode_labels, encode_labels, is_stored_as_labels
from smoothkit.systems.csgis.plan import (
    FOLDERS,
    GT,
    OVER,
    SEG,
    Plan,
    Recipe,
    doubts,
    make_plan,
)
from smoothkit.systems.csgis.voc import Sources

OVER_FILE = "over.json"
_PNG_MAGIC = b"\x89PNG"


@dataclass(frozen=True)
class Summary:
    """What a data set has.

    Args:
        images, textures: how many.
        written: pairs that this run has made.
        pairs: by folder, how many.
        filters: by filter, how many images it has over-smoothed; empty where these were given.
        left_out: names of the list that do not take part.
        class_shares: of the pixels of all masks by class, 255 included.
    """

    images: int
    textures: int
    written: int
    pairs: dict[str, int]
    filters: dict[str, int]
    left_out: list[str]
    class_shares: dict[int, float]


def make_voc_smooth(
    sources: Sources,
    out_dir: str | Path,
    recipe: Recipe | None = None,
    *,
    workers: int | None = None,
    warn: Callable[[str], None] | None = None,
    overwrite: bool = False,
) -> Summary:
    """Make the data set, or what an earlier run has left to make.

    Files are kept that the folder's note says are made from these sources by this recipe, others
    that it tells of made anew, or removed where they are no part of the data set.

    Args:
        sources: 8-bit images; of 16-bit photographs the upper 8 bits are kept. Masks are copied
            unchanged, or written in VOC's palette where they are stored as colours.
        out_dir: made where missing.
        recipe: ~ for the defaults.
        workers: threads; None for one for each usable CPU.
        warn: gets a line for each thing that is probably not meant, before anything is made.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        OptionError: a filter does not exist or cannot have these settings, or there are fewer
            images or pairs than asked for.
        DataError: files that are missing, unreadable, of another size than the ground truth, or no
            masks, the first few of which are named before anything is written; no note tells of an
            image in the folders of results; a file cannot be written.
        ValueError: a fraction that is none, or choices that exclude each other.

    Source: CSGIS-Net (arXiv 2209.00977), published scripts; the settings of the filters that
    over-smooth are those of Easy2Hard. Differs: sorted names instead of the file system's order,
    masks keep their indices, and ``val``, whose making was not published, is drawn as Easy2Hard
    does.
    """
    out_dir = Path(out_dir)
    with Note(out_dir, same_as=SAME_PAIRS) as note:
        plan = make_plan(sources, out_dir, recipe or Recipe(), note, workers=workers)
        written = _make(plan, out_dir, note, warn, workers=workers, overwrite=overwrite)
    drawn = Counter(candidate.label for candidate in plan.over_filters if candidate)
    return Summary(
        images=len(plan.entries),
        textures=len(plan.textures),
        written=written,
        pairs=plan.pairs,
        filters=dict(sorted(drawn.items())),
        left_out=plan.left_out,
        class_shares=plan.class_shares,
    )


def _make(
    plan: Plan,
    out_dir: Path,
    note: Note,
    warn: Callable[[str], None] | None,
    *,
    workers: int | None,
    overwrite: bool,
) -> int:
    """Write what is due; returns the number of pairs."""
    numbers = range(len(plan.entries))
    made_from = plan.image_origins(note)
    made_from[EDGE] = edge_origins(made_from[GT], plan.recipe.edge_channel)
    images = {folder: [out_dir / folder / f"{b}.png" for b in numbers] for folder in made_from}
    pairs = [out_dir / folder / f"{n}.png" for n, folder in enumerate(plan.pair_folders)]
    textures = [note.file(path) for path in plan.texture_paths]
    lists = {
        out_dir / MAP_FILE: map_bytes([entry.stem for entry in plan.entries]),
        out_dir / OVER_FILE: text_bytes(as_json(_over_rows(plan), indent=1) + "\n"),
    }
    origins = list_origins(lists)
    origins |= zip(pairs, pair_origins(textures, made_from[GT]), strict=True)
    for folder, paths in images.items():
        origins |= zip(paths, made_from[folder], strict=True)
    due = due_of_set(note, origins, FOLDERS, overwrite=overwrite)
    if warn:
        for line in doubts(plan):
            warn(line)
    for folder in (".", *FOLDERS):
        remove_leftovers(out_dir / folder)
    write = Writer(note, origins.__getitem__, due)
    for path in lists:
        write(path, partial(lists.__getitem__, path))
    made = in_threads(partial(_make_images, plan, out_dir, write), numbers, workers)
    for _ in tqdm(made, total=len(numbers), unit="image", disable=not sys.stderr.isatty()):
        pass
    return blend_images(
        plan.textures,
        images[GT],
        pairs,
        images[EDGE],
        write,
        edge_channel=plan.recipe.edge_channel,
        workers=workers,
    )


def _make_images(plan: Plan, out_dir: Path, write: Writer, b: int) -> None:
    """Mask, ground truth and over-smoothed image number b, as far as they are due."""
    entry = plan.entries[b]
    contents: dict[str, Callable[[], bytes]] = {
        SEG: lambda: _mask(entry.mask, plan.recipe.num_classes),
        GT: lambda: _image(entry.gt, entry.photo, plan.gt_filters[b]),
        OVER: lambda: _image(entry.over, entry.photo, plan.over_filters[b]),
    }
    for folder, content in contents.items():
        write(out_dir / folder / f"{b}.png", content)


def _mask(path: Path, num_classes: int) -> bytes:
    """A PNG of class indices, which are the file's own bytes where it has such."""
    data = read_bytes(path)
    if is_stored_as_labels(data):
        return data
    return encode_labels(decode_labels(data, str(path), num_classes))


def _image(given: Path | None, photo: Path | None, candidate: Candidate | None) -> bytes:
    """A PNG of what is given, else of the filtered photograph."""
    if given:
        data = read_bytes(given)
        return data if data.startswith(_PNG_MAGIC) else encode_image(read_image(given))
    assert photo is not None
    assert candidate is not None
    return encode_image(apply_filter(candidate.method, read_photo(photo), candidate.settings))


def _over_rows(plan: Plan) -> dict[str, dict[str, Any]]:
    """By name of the image, its number and how it is over-smoothed."""
    rows: dict[str, dict[str, Any]] = {}
    for b, (entry, drawn) in enumerate(zip(plan.entries, plan.over_filters, strict=True)):
        made_by = {"method": drawn.method, "settings": dict(drawn.settings)} if drawn else {}
        given = {"file": entry.over.name} if entry.over else {}
        rows[entry.stem] = {"number": b, **made_by, **given}
    return rows
