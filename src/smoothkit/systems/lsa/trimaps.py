"""Trimaps for a folder of alphas or masks, with a note of how they were made."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, read_json, remove_leftovers, write_json
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import image_files
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.lsa.mattes import plane_of, to_8_bits
from smoothkit.systems.lsa.origins import check_is_folder, check_is_noted, without_faults
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

NOTE = "trimaps.json"

# Beyond any image; generators of random numbers take no more than 63 bits.
_HIGHEST = 10**9


@dataclass(frozen=True)
class AlphaRule:
    """Trimaps of alphas, by radii drawn for each image.

    Args:
        low, high: smallest and largest radius, in pixels; equal for a fixed one.
        seed: of the draws.
        threshold: levels at most this far from 0 or 255 count as such.

    Raises:
        ValueError: out of range.
    """

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

    def described(self) -> dict[str, Any]:
        """What is noted of the rule."""
        described = {"from": "alpha", "radius": [self.low, self.high], "seed": self.seed}
        # As it was noted before there was such an option.
        return described | ({"threshold": self.threshold} if self.threshold else {})

    def radii(self, stem: str) -> tuple[int, int]:
        """For background and foreground: a function of the seed and the image's name."""
        rng = np.random.default_rng([self.seed, zlib.crc32(os.fsencode(stem))])
        return sample_radii(rng, self.low, self.high)

    def trimap(self, alpha: np.ndarray, stem: str) -> np.ndarray:
        """The trimap of an alpha, (H, W) uint8."""
        return make_trimap(snapped_alpha(alpha, self.threshold), *self.radii(stem))

    def noted(self, stem: str) -> dict[str, int]:
        """What is noted of an image."""
        background, foreground = self.radii(stem)
        return {"background_radius": background, "foreground_radius": foreground}


@dataclass(frozen=True)
class MaskRule:
    """Trimaps of rough masks.

    Args:
        erode, dilate: how far the unknown band reaches inwards and outwards, in pixels.

    Raises:
        ValueError: out of range.
    """

    erode: int = 10
    dilate: int = 10

    def __post_init__(self) -> None:
        for name in ("erode", "dilate"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: must be 0 or more, got {getattr(self, name)}.")

    def described(self) -> dict[str, Any]:
        """What is noted of the rule."""
        return {"from": "mask", "erode": self.erode, "dilate": self.dilate}

    def trimap(self, mask: np.ndarray, stem: str) -> np.ndarray:
        """The trimap of a mask, (H, W) uint8."""
        return trimap_from_mask(mask, self.erode, self.dilate)

    def noted(self, stem: str) -> dict[str, int]:
        """What is noted of an image."""
        return {}


def make_trimaps(
    source_dir: str | Path,
    out_dir: str | Path,
    rule: AlphaRule | MaskRule,
    *,
    workers: int | None = None,
) -> Iterator[tuple[Path, str | None]]:
    """Write ``<stem>.png`` of each alpha or mask; yields each path with what is odd, or None.

    Trimaps are kept that a former run made by the same rule and that are newer than their sources.
    ``trimaps.json`` says by which rule, and by which radii each that is there is made, those of
    former runs included. Images that cannot be used are left out, and named by an error when the
    rest is done.

    Args:
        source_dir: grey images, or colour images with equal channels.
        out_dir: made where missing.
        workers: images at a time; None for one for each usable CPU.

    Raises:
        DataError: two would get one name, ``out_dir`` is a file or ``source_dir``, or holds other
            images than trimaps by this rule, or a file cannot be written; at the end, every image
            that was left out.
    """
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    if out_dir.resolve() == Path(source_dir).resolve():
        raise DataError(f"{out_dir}: holds the sources, which would be replaced. Give another.")
    names = by_stem([path.name for path in image_files(source_dir)], str(source_dir))
    remove_leftovers(out_dir)
    noted = _noted(out_dir, rule)
    _write_note(out_dir, rule, noted)  # which says whose the folder is, should the run be killed

    def make(stem: str) -> tuple[Path, str | None] | DataError:
        source, target = Path(source_dir) / names[stem], out_dir / f"{stem}.png"
        if _is_newer(target, source):
            return target, None
        try:
            image = plane_of(read_image(source, mode="whole"), str(source))
            refuse_labels(image, str(source), "0 to 255")
        except DataError as error:
            return error
        trimap = rule.trimap(to_8_bits(image), stem)
        write_image(target, trimap)
        return target, _odd(trimap, rule)

    def finished() -> Iterator[tuple[Path, str | None]]:
        try:
            yield from without_faults(in_threads(make, list(names), workers))
        finally:
            _write_note(out_dir, rule, noted | {stem: rule.noted(stem) for stem in names})

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
    hint = "; --threshold is for estimated alphas" if isinstance(rule, AlphaRule) else ""
    return f"has no {' and no '.join(empty)} pixel{hint}"


def _is_newer(target: Path, source: Path) -> bool:
    return target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns


def _noted(folder: Path, rule: AlphaRule | MaskRule) -> dict[str, Any]:
    """What is noted of images; refuse a folder whose trimaps are made by another rule."""
    check_is_noted(folder, NOTE, "Give an empty folder.")
    note = folder / NOTE
    if not note.exists():
        return {}
    former, images = _read_note(note)
    if former != rule.described():
        raise DataError(
            f"{folder}: has trimaps made by another rule, {as_json(former)}, not "
            f"{as_json(rule.described())}. Give an empty folder, or that rule."
        )
    return images


def _write_note(folder: Path, rule: AlphaRule | MaskRule, images: dict[str, Any]) -> None:
    """Note the rule, and what there is to say of the trimaps that are there."""
    there = {stem: image for stem, image in images.items() if (folder / f"{stem}.png").exists()}
    write_json(folder / NOTE, {"rule": rule.described(), "images": there})


def _read_note(note: Path) -> tuple[Any, dict[str, Any]]:
    """The rule, and what is noted of each image."""
    try:
        content = read_json(note)
        return content["rule"], dict(content["images"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{note}: cannot be read. Remove it with the trimaps beside it.") from error
