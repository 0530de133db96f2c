"""Trimaps for a folder of alphas or masks, with a note of how they were made."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads
from smoothkit.data.origin import Origin
from smoothkit.data.protocols import by_stem
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.ops.io import encode_image
from smoothkit.systems.lsa.mattes import plane_of, to_8_bits
from smoothkit.systems.lsa.outputs import check_is_folder, without_faults
from smoothkit.systems.lsa.trimap import (
    BACKGROUND,
    FOREGROUND,
    LARGEST_RADIUS,
    LEAST_RADIUS,
    has_unknown,
    make_trimap,
    refuse_labels,
    sample_radii,
    snapped_alpha,
    trimap_from_mask,
)

# Beyond any image; generators of random numbers take no more than 63 bits.
_HIGHEST = 10**9


@dataclass(frozen=True)
class AlphaRule:
    """Trimaps of alphas, by radii drawn for each image.

    Args:
        low, high: smallest and largest radius, in pixels; equal for a fixed one.
        seed: of the draws.
        threshold: levels at most this far from 0 or 255 count as such. 0 is the published rule, for
            ground truths: only 255 is foreground. Estimated alphas seldom reach it; 8 suits them.

    Raises:
        ValueError: out of range.
    """

    kind: ClassVar[str] = "alpha"

    low: int = LEAST_RADIUS
    high: int = LARGEST_RADIUS
    seed: int = 0
    threshold: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 128:
            raise ValueError(f"threshold: must be from 0 to 127, got {self.threshold}.")
        if not 0 <= self.low <= self.high <= _HIGHEST:
            raise ValueError(
                f"radius: must be one or two rising numbers from 0 to {_HIGHEST}, "
                f"got {self.low} {self.high}."
            )

    def described(self, stem: str) -> dict[str, Any]:
        """What is noted of an image's trimap: the rule, and what was drawn."""
        background, foreground = self.radii(stem)
        drawn = {"background_radius": background, "foreground_radius": foreground}
        chosen = {"radius": [self.low, self.high], "seed": self.seed, "threshold": self.threshold}
        return {**chosen, **drawn}

    def radii(self, stem: str) -> tuple[int, int]:
        """For background and foreground: a function of the seed and the image's name."""
        rng = np.random.default_rng([self.seed, zlib.crc32(os.fsencode(stem))])
        return sample_radii(rng, self.low, self.high)

    def trimap(self, alpha: np.ndarray, stem: str) -> np.ndarray:
        """The trimap of an alpha, (H, W) uint8."""
        return make_trimap(snapped_alpha(alpha, self.threshold), *self.radii(stem))


@dataclass(frozen=True)
class MaskRule:
    """Trimaps of rough masks.

    Args:
        erode, dilate: how far the unknown band reaches inwards and outwards, in pixels.

    Raises:
        ValueError: out of range.
    """

    kind: ClassVar[str] = "mask"

    erode: int = 10
    dilate: int = 10

    def __post_init__(self) -> None:
        for name in ("erode", "dilate"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: must be 0 or more, got {getattr(self, name)}.")

    def described(self, stem: str) -> dict[str, Any]:
        """What is noted of an image's trimap: the rule."""
        return {"erode": self.erode, "dilate": self.dilate}

    def trimap(self, mask: np.ndarray, stem: str) -> np.ndarray:
        """The trimap of a mask, (H, W) uint8."""
        return trimap_from_mask(mask, self.erode, self.dilate)


def make_trimaps(
    source_dir: str | Path,
    out_dir: str | Path,
    rule: AlphaRule | MaskRule,
    *,
    workers: int | None = None,
    overwrite: bool = False,
) -> Iterator[tuple[Path, str | None]]:
    """Write ``<stem>.png`` of each alpha or mask; yields each path with what is odd, or None.

    The folder's note has the rule and the radii of each trimap. Those that it says are made by this
    rule from these sources are kept, others that it tells of made anew. Images that cannot be used
    are left out, and named by an error when the rest is done.

    Args:
        source_dir: grey images, or colour images with equal channels.
        out_dir: made where missing.
        workers: images at a time; None for one for each usable CPU.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        DataError: two would get one name, ``out_dir`` is a file or ``source_dir``, a file would be
            replaced that no note tells of, or cannot be written; at the end, every image that was
            left out.
    """
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    if out_dir.resolve() == Path(source_dir).resolve():
        raise DataError(f"{out_dir}: holds the sources, which would be replaced. Give another.")
    names = by_stem([path.name for path in image_files(source_dir)], str(source_dir))
    sources = {out_dir / f"{stem}.png": Path(source_dir) / name for stem, name in names.items()}
    note = Note(out_dir)

    def origin(target: Path) -> Origin:
        file = note.file(sources[target])
        return Origin({rule.kind: file}, settings=rule.described(target.stem))

    advice = "Give another folder, or --overwrite to replace what is there."
    due = note.due(sources, origin, is_all=overwrite, what_to_do=advice)
    remove_leftovers(out_dir)

    def make(target: Path) -> tuple[Path, str | None] | DataError:
        if target not in due:
            return target, None
        source = sources[target]
        try:
            image = plane_of(note.image(source, "whole"), str(source))
            refuse_labels(image, str(source), "0 to 255")
        except DataError as error:
            return error
        trimap = rule.trimap(to_8_bits(image), target.stem)
        note.write(target, encode_image(trimap), origin(target))
        return target, _odd(trimap, rule)

    def finished() -> Iterator[tuple[Path, str | None]]:
        with note:
            yield from without_faults(in_threads(make, list(sources), workers))

    return finished()


def _odd(trimap: np.ndarray, rule: AlphaRule | MaskRule) -> str | None:
    """What is seldom meant of a trimap."""
    if not has_unknown(trimap):
        return "has no unknown pixel"
    known = {"foreground": FOREGROUND, "background": BACKGROUND}
    empty = [name for name, level in known.items() if not (trimap == level).any()]
    if not empty:
        return None
    # What a network has found seldom reaches 0 or 255.
    is_literal = isinstance(rule, AlphaRule) and rule.threshold == 0
    hint = "; if the alpha is estimated, set --threshold 8" if is_literal else ""
    return f"has no {' and no '.join(empty)} pixel{hint}"
