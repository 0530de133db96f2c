"""VOC-smooth: textured pairs with edges, masks and over-smoothed images of each ground truth.

Layout: ``train``, ``val`` and ``val_small`` share the pairs ``<t * N + b>.png`` of texture t and
ground truth b, of N; ``gt``, ``edge``, ``seg`` and ``over`` have ``<b>.png``; ``map.txt`` says
which image has number b, ``over.json`` by which filter it is over-smoothed, ``sources.json`` what
all is made from.
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

from smoothkit.core.files import as_json, remove_leftovers, text_bytes, write_bytes
from smoothkit.core.parallel import in_threads
from smoothkit.data.prepare.blending import PAIR_FOLDERS, blend_images, split_val, write_map
from smoothkit.data.prepare.claims import claim, write_changed
from smoothkit.data.prepare.filtering import read_photo
from smoothkit.ops.filters import Candidate, apply_filter
from smoothkit.ops.io import encode_image, is_whole_png, read_bytes, read_image
from smoothkit.ops.labels import decode_labels, encode_labels, is_stored_as_labels
from smoothkit.systems.csgis.plan import (
    FOLDERS,
    GT,
    OVER,
    SEG,
    Plan,
    Recipe,
    described,
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
) -> Summary:
    """Make the data set, or what a run that was cut short has left to make.

    Args:
        sources: 8-bit images; of 16-bit photographs the upper 8 bits are kept. Masks are copied
            unchanged, or written in VOC's palette where they are stored as colours.
        out_dir: empty, or that of an earlier run with the same sources and recipe.
        recipe: ~ for the defaults.
        workers: threads; None for one for each usable CPU.
        warn: gets a line for each thing that is probably not meant, before anything is made.

    Raises:
        OptionError: a filter does not exist or cannot have these settings, or there are fewer
            images or pairs than asked for.
        DataError: files that are missing, unreadable, of another size than the ground truth, or no
            masks, the first few of which are named before anything is written; ``out_dir`` holds
            something else; a file cannot be written.
        ValueError: a fraction that is none, or choices that exclude each other.

    Source: CSGIS-Net (arXiv 2209.00977), published scripts; the settings of the filters that
    over-smooth are those of Easy2Hard. Differs: sorted names instead of the file system's order,
    masks keep their indices, and ``val``, whose making was not published, is drawn as Easy2Hard
    does.
    """
    out_dir = Path(out_dir)
    plan = make_plan(sources, out_dir, recipe or Recipe(), workers=workers)
    claim(out_dir, plan.made_from, FOLDERS)
    if warn:
        for line in doubts(plan):
            warn(line)
    for folder in (".", *FOLDERS):
        remove_leftovers(out_dir / folder)
    write_map(out_dir, [entry.stem for entry in plan.entries])
    write_changed(out_dir / OVER_FILE, text_bytes(as_json(_over_rows(plan), indent=1) + "\n"))
    numbers = range(len(plan.entries))
    made = in_threads(partial(_make_images, plan, out_dir), numbers, workers)
    for _ in tqdm(made, total=len(numbers), unit="image", disable=not sys.stderr.isatty()):
        pass
    written = blend_images(
        plan.textures,
        [out_dir / GT / f"{b}.png" for b in numbers],
        out_dir,
        edge_channel=plan.recipe.edge_channel,
        workers=workers,
    )
    train, val, val_small = (out_dir / folder for folder in PAIR_FOLDERS)
    split_val(
        train,
        val,
        fraction=plan.recipe.val_fraction,
        seed=plan.recipe.seed,
        small_dir=val_small,
        num_small=plan.num_val_small,
    )
    drawn = Counter(candidate.label for candidate in plan.over_filters if candidate)
    return Summary(
        images=len(plan.entries),
        textures=len(plan.textures),
        written=written,
        pairs={folder: len(list((out_dir / folder).glob("*.png"))) for folder in PAIR_FOLDERS},
        filters=dict(sorted(drawn.items())),
        left_out=plan.left_out,
        class_shares=plan.class_shares,
    )


def _make_images(plan: Plan, out_dir: Path, b: int) -> None:
    """Mask, ground truth and over-smoothed image number b, as far as they are not there."""
    entry = plan.entries[b]
    contents: dict[str, Callable[[], bytes]] = {
        SEG: lambda: _mask(entry.mask, plan.recipe.num_classes),
        GT: lambda: _image(entry.gt, entry.photo, plan.gt_filters[b]),
        OVER: lambda: _image(entry.over, entry.photo, plan.over_filters[b]),
    }
    for folder, content in contents.items():
        path = out_dir / folder / f"{b}.png"
        if not is_whole_png(path):
            write_bytes(path, content())


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
        made_by = described(drawn) if drawn else {"file": str(entry.over and entry.over.name)}
        rows[entry.stem] = {"number": b, **made_by}
    return rows
