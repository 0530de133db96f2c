"""Training pairs for smoothing, made by blending, and a validation split.

Layout: ``train/<t * N + b>.png`` holds ground truth b and texture t, of N ground truths, both
counted in sorted name order; ``edge/<b>.png`` the edges of ground truth b; ``map.txt`` its number.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, remove_leftovers, write_text
from smoothkit.core.parallel import in_threads, of_shard
from smoothkit.data.store import FolderStore, image_files
from smoothkit.ops.blend import EdgeChannel, edge_map, grey_texture, observation
from smoothkit.ops.io import is_whole_png, read_bytes, read_image, write_image

MAP_FILE = "map.txt"
SOURCES_FILE = "sources.json"


def blend_folder(
    texture_dir: str | Path,
    gt_dir: str | Path,
    out_dir: str | Path,
    *,
    edge_channel: EdgeChannel = "blue",
    map_file: str | Path | None = None,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
) -> int:
    """Blend every texture with every ground truth; returns the number of pairs written.

    Pairs that a former run left whole are not made again, also where ``split_val`` has moved them
    to ``val``. ``sources.json`` keeps names and checksums of what the pairs were made from.

    Args:
        texture_dir, gt_dir: 8-bit images; all textures are held in memory.
        out_dir: made where missing; gets ``train``, ``edge``, ``map.txt`` and ``sources.json``.
        edge_channel: what the edges are taken from; see ``edge_map``.
        map_file: numbers of the ground truths from an earlier data set, instead of name order.
        workers: threads; None for one a core.
        shard: (I, N) makes the pairs of every N-th ground truth, from the I-th on. Several shards
            may write into one ``out_dir``.

    Raises:
        DataError: an image or the map cannot be used, or ``out_dir`` was made from other images.

    Source: Feng et al., "Easy2Hard", IEEE TNNLS 2021, blending script. Differs: sorted names
    instead of the file system's order; the map and the checksums are ours.
    """
    out_dir = Path(out_dir)
    texture_paths = image_files(texture_dir)
    gt_paths = _numbered(image_files(gt_dir), map_file)
    textures = [grey_texture(_read_8_bits(path)) for path in texture_paths]
    for path in gt_paths:  # all of them first: a bad one must not leave half a data set behind
        _read_8_bits(path)
    _claim(out_dir, textures=texture_paths, ground_truths=gt_paths)
    for folder in ("train", "edge"):
        remove_leftovers(out_dir / folder)
    map_lines = [f"{_stem(path)},{b}\n" for b, path in enumerate(gt_paths)]
    write_text(out_dir / MAP_FILE, "".join(map_lines))

    def make(b: int) -> int:
        gt = _read_8_bits(gt_paths[b])
        write_image(out_dir / "edge" / f"{b}.png", edge_map(gt, edge_channel))
        paths = [_pair_path(out_dir, t * len(gt_paths) + b) for t in range(len(textures))]
        missing = [t for t, path in enumerate(paths) if not is_whole_png(path)]
        for t in missing:
            write_image(paths[t], np.concatenate([gt, observation(textures[t], gt)], axis=1))
        return len(missing)

    numbers = of_shard(range(len(gt_paths)), shard)
    made = in_threads(make, numbers, workers)
    return sum(tqdm(made, total=len(numbers), unit="image", disable=not sys.stderr.isatty()))


def split_val(
    train_dir: str | Path, val_dir: str | Path, *, fraction: float = 0.1, seed: int = 0
) -> list[Path]:
    """Move a random part of the pairs to the validation folder; returns where they are now.

    The draw is made over both folders together, so that running it again changes nothing, and a run
    that was cut short is completed.

    Args:
        train_dir, val_dir: the second is made where missing, on the same disk.
        fraction: of all images; rounded down.
        seed: of the draw.

    Raises:
        ValueError: ``fraction`` is not between 0 and 1.
        DataError: no images, ``val_dir`` holds images that this draw leaves in ``train_dir``, or
            they cannot be moved.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: must be between 0 and 1, got {fraction}.")
    train_dir, val_dir = Path(train_dir), Path(val_dir)
    present = set(FolderStore(val_dir).names) if val_dir.exists() else set()
    names = sorted({path.name for path in image_files(train_dir)} | present)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(names, int(fraction * len(names)), replace=False).tolist())
    if others := sorted(present - set(chosen)):
        raise DataError(
            f"{val_dir / others[0]}: is not of this draw (fraction {fraction}, seed {seed}). "
            f"Move the images of {val_dir} back to {train_dir} first."
        )
    try:
        val_dir.mkdir(parents=True, exist_ok=True)
        for name in set(chosen) - present:
            os.replace(train_dir / name, val_dir / name)
    except OSError as error:
        raise DataError(f"{val_dir}: cannot move images there: {error.strerror}.") from error
    return [val_dir / name for name in chosen]


def read_map(path: str | Path) -> dict[str, int]:
    """Number of each ground truth, from lines ``<name up to the first dot>,<number>``.

    Raises:
        DataError: a line that is none, or numbers that are not 0, 1, 2, ..., once each.
    """
    numbers: dict[str, int] = {}
    lines = read_bytes(path).decode("utf-8", errors="replace").splitlines()
    for line_number, line in enumerate(lines, 1):
        stem, comma, number = line.rpartition(",")
        if not (comma and number.strip().isdecimal()) or stem in numbers:
            raise DataError(f"{path}:{line_number}: must be a new '<name>,<number>', got '{line}'.")
        numbers[stem] = int(number)
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise DataError(f"{path}: must have the numbers 0 to {len(numbers) - 1} once each.")
    return numbers


def _numbered(paths: list[Path], map_file: str | Path | None) -> list[Path]:
    """The ground truths in the order of their numbers."""
    stems = [_stem(path) for path in paths]
    refuse_twins(paths, stems)
    if map_file is None:
        return paths
    numbers = read_map(map_file)
    for path, stem in zip(paths, stems, strict=True):
        if stem not in numbers:
            raise DataError(f"{path}: has no number in {map_file}. Add it there, or remove it.")
    if missing := sorted(set(numbers) - set(stems)):
        raise DataError(f"{map_file}: names '{missing[0]}', which {paths[0].parent} does not have.")
    return sorted(paths, key=lambda path: numbers[_stem(path)])


def _stem(path: Path) -> str:
    """Name up to the first dot, which is what a map knows."""
    return path.name.partition(".")[0]


def refuse_twins(paths: Sequence[Path], stems: Sequence[str]) -> None:
    """Refuse files that would get one name.

    Raises:
        DataError: names both.
    """
    first: dict[str, Path] = {}
    for path, stem in zip(paths, stems, strict=True):
        if stem in first:
            raise DataError(f"{path}: has the name of {first[stem].name}. Rename one of them.")
        first[stem] = path


def _claim(out_dir: Path, **sources: Sequence[Path]) -> None:
    """Note what the pairs are made from; refuse a folder whose pairs are made from other images."""
    note = out_dir / SOURCES_FILE
    listed = {
        kind: [[path.name, zlib.crc32(read_bytes(path))] for path in paths]
        for kind, paths in sources.items()
    }
    has_pairs = any(out_dir.glob("train/*.png")) or any(out_dir.glob("val/*.png"))
    text = as_json(listed, indent=1)
    if has_pairs and not (note.exists() and note.read_text("utf-8") == text):
        raise DataError(f"{out_dir}: has pairs made from other images. Give an empty folder.")
    write_text(note, text)


def _pair_path(out_dir: Path, number: int) -> Path:
    """Where a pair is, or is to be: in ``val`` if ``split_val`` has moved it there."""
    moved = out_dir / "val" / f"{number}.png"
    return moved if moved.exists() else out_dir / "train" / f"{number}.png"


def _read_8_bits(path: Path) -> np.ndarray:
    image = read_image(path)
    if image.dtype != np.uint8:
        raise DataError(f"{path}: must have 8 bits per channel, got 16. Convert it.")
    return image
