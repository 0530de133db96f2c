"""Trimaps for a folder of alphas or masks, with a note of how they were made."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, remove_leftovers, write_json
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import FolderStore, image_files
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.lsa.mattes import plane_of, to_8_bits
from smoothkit.systems.lsa.trimap import (
    LARGEST_RADIUS,
    LEAST_RADIUS,
    has_unknown,
    make_trimap,
    sample_radii,
    trimap_from_mask,
)

NOTE = "trimaps.json"


@dataclass(frozen=True)
class AlphaRule:
    """Trimaps of alphas, by radii drawn for each image.

    Args:
        low, high: smallest and largest radius, in pixels; equal for a fixed one.
        seed: of the draws.

    Raises:
        ValueError: out of range.
    """

    low: int = LEAST_RADIUS
    high: int = LARGEST_RADIUS
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(
                f"radius: must be one or two rising numbers from 0 on, got {self.low} {self.high}."
            )

    def described(self) -> dict[str, Any]:
        """What is noted of the rule."""
        return {"from": "alpha", "radius": [self.low, self.high], "seed": self.seed}

    def radii(self, stem: str) -> tuple[int, int]:
        """For background and foreground: a function of the seed and the image's name."""
        rng = np.random.default_rng([self.seed, zlib.crc32(stem.encode())])
        return sample_radii(rng, self.low, self.high)

    def trimap(self, alpha: np.ndarray, stem: str) -> np.ndarray:
        """The trimap of an alpha, (H, W) uint8."""
        return make_trimap(alpha, *self.radii(stem))

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
    ``trimaps.json`` says by which rule, and by which radii each of them is made, those of former
    runs included.

    Args:
        source_dir: grey images, or colour images with equal channels.
        out_dir: made where missing.
        workers: images at a time; None for one a core.

    Raises:
        DataError: an image cannot be used, two would get one name, ``out_dir`` is ``source_dir``
            or holds other images than trimaps by this rule, or a file cannot be written.
    """
    out_dir = Path(out_dir)
    if out_dir.resolve() == Path(source_dir).resolve():
        raise DataError(f"{out_dir}: holds the sources, which would be replaced. Give another.")
    names = by_stem([path.name for path in image_files(source_dir)], str(source_dir))
    remove_leftovers(out_dir)
    _write_note(out_dir, rule, list(names))

    def make(stem: str) -> tuple[Path, str | None]:
        source, target = Path(source_dir) / names[stem], out_dir / f"{stem}.png"
        if _is_newer(target, source):
            return target, None
        image = plane_of(read_image(source, mode="whole"), str(source))
        trimap = rule.trimap(to_8_bits(image), stem)
        write_image(target, trimap)
        return target, None if has_unknown(trimap) else "has no unknown pixel"

    return in_threads(make, list(names), workers)


def _is_newer(target: Path, source: Path) -> bool:
    return target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns


def _write_note(folder: Path, rule: AlphaRule | MaskRule, stems: list[str]) -> None:
    """Add radii to the note; refuse a folder whose trimaps are made by another rule."""
    note = folder / NOTE
    images: dict[str, Any] = {}
    if note.exists():
        former, images = _read_note(note)
        if former != rule.described():
            raise DataError(
                f"{folder}: has trimaps made by another rule, {as_json(former)}, not "
                f"{as_json(rule.described())}. Give an empty folder, or that rule."
            )
    elif folder.exists() and FolderStore(folder).names:
        raise DataError(f"{folder}: has images, but no {NOTE}. Give an empty folder.")
    images |= {stem: rule.noted(stem) for stem in stems}
    write_json(note, {"rule": rule.described(), "images": images})


def _read_note(note: Path) -> tuple[Any, dict[str, Any]]:
    """The rule, and what is noted of each image."""
    try:
        content = json.loads(note.read_text("utf-8"))
        return content["rule"], dict(content["images"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{note}: cannot be read. Remove it with the trimaps beside it.") from error
