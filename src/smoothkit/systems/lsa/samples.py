"""Foregrounds with drawn alphas, to try matting on without a data set of one's own.

The colours are those of photographs; an alpha of soft blobs, strands of hair or lace says which
part of one is the foreground. It is not a data set to report figures on.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_text
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.ops.io import read_image, to_uint8, write_image
from smoothkit.systems.lsa.outputs import check_is_folder, without_faults

LEAST_SIDE, LARGEST_SIDE = 32, 4096

# Strokes are drawn larger and averaged down, so that their edges are fractional.
_SUPERSAMPLING = 3
_LEVELS = 255


def make_sample_foregrounds(
    photographs: Sequence[Path],
    out_dir: str | Path,
    *,
    num_each: int = 2,
    side: int = 256,
    seed: int = 0,
    per_foreground: int = 2,
) -> list[str]:
    """Write ``fg/NAME.png`` and ``alpha/NAME.png``; returns the names.

    ``coco_bg`` gets the photographs as backgrounds, ``test_fg_names.txt`` and ``test_bg_names.txt``
    say which of them a test set puts which foreground before: never its own photograph, and other
    scenes than its own where there are any.

    Args:
        photographs: two image files or more; ``NAME_0`` and ``NAME_1`` are of one scene. Each is
            cut to a square in its middle and resized.
        out_dir: made where missing; files of the same names are replaced.
        num_each: alphas of each kind for a photograph.
        side: of the foregrounds, in pixels, from 32 to 4096.
        seed: of the alphas; each has random numbers of its own, from the seed and its name.
        per_foreground: backgrounds of each foreground in a test set.

    Raises:
        DataError: fewer than two photographs, two of one stem, ``out_dir`` is a file, photographs
            that cannot be read, all of them named, before anything is written; a file cannot be
            written.
        ValueError: ``side`` is out of range.
    """
    if not LEAST_SIDE <= side <= LARGEST_SIDE:
        raise ValueError(f"side: must be from {LEAST_SIDE} to {LARGEST_SIDE}, got {side}.")
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    _check_photographs(photographs)

    def make(path: Path) -> list[str]:
        picture = _square(read_image(path, alpha="drop"), side)
        write_image(out_dir / f"coco_bg/{path.stem}.png", picture)
        names = []
        for kind, draw in KINDS.items():
            for number in range(num_each):
                name = f"{path.stem}_{kind}{number}"
                rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
                write_image(out_dir / f"fg/{name}.png", picture)
                write_image(out_dir / f"alpha/{name}.png", to_uint8(draw(rng, side)))
                names.append(name)
        return names

    made = dict(zip([p.stem for p in photographs], in_threads(make, photographs), strict=True))
    names = [name for names in made.values() for name in names]
    owners = [stem for stem, names in made.items() for _ in names]
    backgrounds = _other_scenes(owners, list(made), per_foreground)
    write_text(out_dir / "test_fg_names.txt", "".join(f"{name}.png\n" for name in names))
    write_text(out_dir / "test_bg_names.txt", "".join(f"{name}.png\n" for name in backgrounds))
    return names


def soft_blob(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) float32 alpha in [0, 1]: a round shape with a wide soft rim."""
    shape = _filled(_outline(rng, side), side)
    softness = rng.uniform(0.01, 0.05) * side
    blurred: np.ndarray = cv2.GaussianBlur(shape, (0, 0), softness)
    return blurred


def hair(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) float32 alpha in [0, 1]: an opaque shape with strands around it."""
    outline = _outline(rng, side, size=(0.2, 0.28))
    body = cv2.GaussianBlur(_filled(outline, side), (0, 0), 0.004 * side)
    canvas = np.zeros((_SUPERSAMPLING * side,) * 2, np.uint8)
    middle = outline.mean(0)
    for _ in range(int(rng.integers(60, 160))):
        start = outline[rng.integers(len(outline))]
        strand = _strand(rng, start, start - middle, length=rng.uniform(0.05, 0.22) * side)
        opacity = int(rng.uniform(0.35, 1.0) * _LEVELS)
        points = np.round(strand * _SUPERSAMPLING).astype(np.int32)
        layer = np.zeros_like(canvas)
        width = int(rng.integers(1, 2 * _SUPERSAMPLING))
        cv2.polylines(layer, [points], False, (opacity,), width, cv2.LINE_AA)
        np.maximum(canvas, layer, out=canvas)
    strands = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    together: np.ndarray = np.maximum(body, strands.astype(np.float32) / _LEVELS)
    return together


def lace(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) float32 alpha in [0, 1]: gauze with a lattice of threads around solid cloth."""
    outline = _outline(rng, side)
    middle = outline.mean(0)
    rim, cloth = (
        cv2.GaussianBlur(_filled(middle + part * (outline - middle), side), (0, 0), 0.006 * side)
        for part in (1, rng.uniform(0.45, 0.65))
    )
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    across = np.cos(angle) * x + np.sin(angle) * y
    along = np.cos(angle) * y - np.sin(angle) * x
    period = rng.uniform(0.03, 0.07) * side
    waves = np.abs(np.sin(np.pi * across / period)) * np.abs(np.sin(np.pi * along / period))
    threads = np.clip((rng.uniform(0.35, 0.6) - waves) / 0.2 + 0.5, 0, 1)
    gauze = rng.uniform(0.1, 0.5)
    woven: np.ndarray = np.maximum(cloth, rim * (gauze + (1 - gauze) * threads))
    return woven.astype(np.float32)


KINDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "blob": soft_blob,
    "hair": hair,
    "lace": lace,
}


def _check_photographs(photographs: Sequence[Path]) -> None:
    if len(photographs) < 2:
        only = f", {photographs[0]}" if photographs else ""
        raise DataError(
            "photographs: a test set needs at least two photographs, as it puts the foregrounds of "
            f"one before another, got {len(photographs)}{only}. Give more."
        )
    by_stem([path.name for path in photographs], str(photographs[0].parent))  # which refuses twins

    def checked(path: Path) -> DataError | None:
        try:
            # Decoded, since a header does not tell of pixels that are cut off.
            read_image(path, alpha="drop")
        except DataError as error:
            return error
        return None

    list(without_faults(in_threads(checked, photographs)))


def _other_scenes(owners: Sequence[str], photographs: Sequence[str], per_owner: int) -> list[str]:
    """Backgrounds for foregrounds of the photographs ``owners``, going round through the others.

    Those of other scenes are taken where there are any.
    """
    chosen, turn = [], 0
    for owner in owners:
        others = [p for p in photographs if _scene(p) != _scene(owner)]
        others = others or [p for p in photographs if p != owner]
        chosen += [others[(turn + k) % len(others)] for k in range(per_owner)]
        turn += per_owner
    return chosen


def _scene(stem: str) -> str:
    return re.sub("_[0-9]+$", "", stem)


def _outline(
    rng: np.random.Generator, side: int, size: tuple[float, float] = (0.26, 0.36)
) -> np.ndarray:
    """(n, 2) points x, y of a round shape near the middle."""
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radius = np.full_like(angles, rng.uniform(*size))
    for wave in range(2, 6):
        radius *= 1 + rng.uniform(0, 0.3 / wave) * np.cos(wave * angles + rng.uniform(0, 6.3))
    middle = 0.5 + rng.uniform(-0.06, 0.06, 2)
    points: np.ndarray = middle + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return points * side


def _filled(outline: np.ndarray, side: int) -> np.ndarray:
    canvas = np.zeros((_SUPERSAMPLING * side,) * 2, np.uint8)
    cv2.fillPoly(canvas, [np.round(outline * _SUPERSAMPLING).astype(np.int32)], (_LEVELS,))
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    filled: np.ndarray = small.astype(np.float32) / _LEVELS
    return filled


def _strand(
    rng: np.random.Generator, start: np.ndarray, outwards: np.ndarray, length: float
) -> np.ndarray:
    """(n, 2) points of a curve that leaves the shape and bends."""
    heading = np.arctan2(outwards[1], outwards[0]) + rng.normal(0, 0.5)
    turn = rng.normal(0, 1.2)
    steps = np.linspace(0, 1, 12)
    headings = heading + turn * steps
    moves = np.stack([np.cos(headings), np.sin(headings)], 1) * (length / len(steps))
    # It begins inside, where the body hides its end.
    curve: np.ndarray = start - 0.1 * outwards + np.cumsum(moves, 0)
    return curve


def _square(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    small = min(height, width)
    top, left = (height - small) // 2, (width - small) // 2
    window = image[top : top + small, left : left + small]
    how = cv2.INTER_AREA if small > side else cv2.INTER_CUBIC
    resized: np.ndarray = cv2.resize(window, (side, side), interpolation=how)
    return resized
