"""Training pairs for smoothing, made by blending, and a validation split.

Layout: ``train/<t * N + b>.png`` holds ground truth b and texture t, of N ground truths, both
counted in sorted name order; ``edge/<b>.png`` the edges of ground truth b; ``map.txt`` its number.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads, of_shard
from smoothkit.data.prepare.claims import checksums, claim, refuse_as_output, write_changed
from smoothkit.data.store import FolderStore, image_files
from smoothkit.ops.blend import EdgeChannel, edge_map, grey_texture, observation
from smoothkit.ops.io import (
    decode_header,
    decode_image,
    encode_image,
    is_whole_png,
    read_bytes,
    write_image,
)

MAP_FILE = "map.txt"
Reader = Callable[[Path], bytes]
# Where pairs may be: made in the first, moved to the others.
PAIR_FOLDERS = ("train", "val", "val_small")
_REFUSED = {
    "alpha": "has an alpha channel. Remove it.",
    "cmyk": "is a CMYK image. Convert it to RGB.",
}


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
    to ``val`` or ``val_small``. ``sources.json`` keeps names and checksums of what the pairs were
    made from.

    Args:
        texture_dir, gt_dir: 8-bit images; all textures are held in memory.
        out_dir: made where missing; gets ``train``, ``edge``, ``map.txt`` and ``sources.json``.
        edge_channel: what the edges are taken from; see ``edge_map``.
        map_file: numbers of the ground truths from an earlier data set, instead of name order.
        workers: threads; None for one for each usable CPU.
        shard: (I, N) makes the pairs of every N-th ground truth, from the I-th on. Several shards
            may write into one ``out_dir``.

    Raises:
        DataError: an image or the map cannot be used, or ``out_dir`` was made from other images.

    Source: Feng et al., "Easy2Hard", IEEE TNNLS 2021, blending script. Differs: sorted names
    instead of the file system's order; the map and the checksums are ours.
    """
    out_dir = Path(out_dir)
    refuse_as_output(out_dir, [texture_dir, gt_dir])
    texture_paths = image_files(texture_dir)
    gt_paths = _numbered(image_files(gt_dir), map_file)
    textures = read_textures(texture_paths)
    for path in gt_paths:  # all of them first: a bad one must not leave half a data set behind
        read_8_bits(path)
    sources = {"textures": checksums(texture_paths), "ground_truths": checksums(gt_paths)}
    claim(out_dir, sources, PAIR_FOLDERS)
    write_map(out_dir, [stem_of(path) for path in gt_paths])
    return blend_images(
        textures, gt_paths, out_dir, edge_channel=edge_channel, workers=workers, shard=shard
    )


def blend_images(
    textures: Sequence[np.ndarray],
    gt_paths: Sequence[Path],
    out_dir: Path,
    *,
    edge_channel: EdgeChannel = "blue",
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
) -> int:
    """``blend_folder`` without checks, map and note.

    Args:
        textures: as ``read_textures`` gives them.
        gt_paths: in the order of their numbers.
    """
    for folder in ("train", "edge"):
        remove_leftovers(out_dir / folder)

    def make(b: int) -> int:
        gt = read_8_bits(gt_paths[b])
        write_changed(out_dir / f"edge/{b}.png", encode_image(edge_map(gt, edge_channel)))
        paths = [_pair_path(out_dir, t * len(gt_paths) + b) for t in range(len(textures))]
        missing = [t for t, path in enumerate(paths) if not is_whole_png(path)]
        for t in missing:
            write_image(paths[t], np.concatenate([gt, observation(textures[t], gt)], axis=1))
        return len(missing)

    numbers = of_shard(range(len(gt_paths)), shard)
    made = in_threads(make, numbers, workers)
    return sum(tqdm(made, total=len(numbers), unit="image", disable=not sys.stderr.isatty()))


def split_val(
    train_dir: str | Path,
    val_dir: str | Path,
    *,
    fraction: float = 0.1,
    seed: int = 0,
    small_dir: str | Path | None = None,
    num_small: int = 0,
) -> list[Path]:
    """Move a random part of the pairs to the validation folder; returns where they are now.

    The draw is made over all folders together, so that running it again changes nothing, and a run
    that was cut short is completed.

    Args:
        train_dir, val_dir: the second is made where missing, on the same disk.
        fraction: of all images; rounded down.
        seed: of the draws.
        small_dir: gets some of those drawn in place of ``val_dir``; ~ for none.
        num_small: how many, drawn from them.

    Raises:
        ValueError: ``fraction`` is not between 0 and 1, or ``num_small`` above what is drawn.
        DataError: no images, ``val_dir`` or ``small_dir`` holds images that the draw leaves
            elsewhere, or they cannot be moved.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: must be between 0 and 1, got {fraction}.")
    folders = [Path(train_dir), Path(val_dir), *([Path(small_dir)] if small_dir else [])]
    at = {path.name: 0 for path in image_files(folders[0])}
    for place, folder in enumerate(folders[1:], 1):
        at |= dict.fromkeys(FolderStore(folder).names if folder.exists() else (), place)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(sorted(at), int(fraction * len(at)), replace=False).tolist())
    if num_small > len(chosen):
        raise ValueError(f"num_small: must be at most {len(chosen)}, got {num_small}.")
    goal = dict.fromkeys(chosen, 1)
    if small_dir:
        goal |= dict.fromkeys(rng.choice(chosen, num_small, replace=False).tolist(), 2)
    # Whatever is ahead of its goal was put there by another draw.
    if others := sorted(name for name in at if at[name] > goal.get(name, 0)):
        held = folders[at[others[0]]]
        raise DataError(
            f"{held / others[0]}: is not of this draw (fraction {fraction}, seed {seed}). "
            f"Move the images of {held} back to {folders[0]} first."
        )
    for place, folder in enumerate(folders[1:], 1):
        to_move = [name for name in chosen if goal[name] == place != at[name]]
        _move({folders[at[name]] / name: folder / name for name in to_move}, folder)
    return [folders[goal[name]] / name for name in chosen]


def _move(files: Mapping[Path, Path], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in files.items():
            os.replace(source, target)
    except OSError as error:
        raise DataError(f"{folder}: cannot move images there: {error.strerror}.") from error


def read_map(path: str | Path) -> dict[str, int]:
    """Number of each ground truth, from lines ``<name up to the first dot>,<number>``.

    Empty lines, blanks around names and numbers, and a byte-order mark mean nothing.

    Raises:
        DataError: a line that is none, or numbers that are not 0, 1, 2, ..., once each.
    """
    numbers: dict[str, int] = {}
    lines = read_bytes(path).decode("utf-8-sig", errors="surrogateescape").splitlines()
    for line_number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        stem, number = (part.strip() for part in line.rpartition(",")[::2])
        if not (stem and number.isdecimal()) or stem in numbers:
            raise DataError(f"{path}:{line_number}: must be a new '<name>,<number>', got '{line}'.")
        numbers[stem] = int(number)
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise DataError(f"{path}: must have the numbers 0 to {len(numbers) - 1} once each.")
    return numbers


def _numbered(paths: list[Path], map_file: str | Path | None) -> list[Path]:
    """The ground truths in the order of their numbers."""
    stems = [stem_of(path) for path in paths]
    refuse_twins(paths, stems)
    if map_file is None:
        return paths
    numbers = read_map(map_file)
    for path, stem in zip(paths, stems, strict=True):
        if stem not in numbers:
            raise DataError(f"{path}: has no number in {map_file}. Add it there, or remove it.")
    if missing := sorted(set(numbers) - set(stems)):
        raise DataError(f"{map_file}: names '{missing[0]}', which {paths[0].parent} does not have.")
    return sorted(paths, key=lambda path: numbers[stem_of(path)])


def stem_of(path: Path) -> str:
    """Name up to the first dot without blanks around it, which is what a map knows."""
    return path.name.partition(".")[0].strip()


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


def write_map(out_dir: Path, stems: Sequence[str]) -> None:
    """Write ``map.txt`` of ground truths in the order of their numbers."""
    lines = "".join(f"{stem},{b}\n" for b, stem in enumerate(stems))
    write_changed(out_dir / MAP_FILE, os.fsencode(lines))


def _pair_path(out_dir: Path, number: int) -> Path:
    """Where a pair is, or is to be: ``split_val`` may have moved it."""
    moved = (out_dir / folder / f"{number}.png" for folder in PAIR_FOLDERS[1:])
    in_train = out_dir / PAIR_FOLDERS[0] / f"{number}.png"
    return next((path for path in moved if path.exists()), in_train)


def read_textures(paths: Sequence[Path]) -> list[np.ndarray]:
    """Grey levels of textures, as ``grey_texture`` gives them; errors as ``read_8_bits``."""
    return [grey_texture(read_8_bits(path)) for path in paths]


def read_8_bits(path: Path, read: Reader = read_bytes) -> np.ndarray:
    """(H, W, 3) uint8 BGR; arguments and errors as for ``read_color``; 16 bits are refused."""
    image = read_color(path, read)
    if image.dtype != np.uint8:
        raise DataError(f"{path}: must have 8 bits per channel, got 16. Convert it.")
    return image


def read_color(path: Path, read: Reader = read_bytes) -> np.ndarray:
    """(H, W, 3) uint8 or uint16 BGR.

    Args:
        read: gives the content of the file, as ``Note.read`` does.

    Raises:
        DataError: it cannot be read, has transparency, or is CMYK.
    """
    data = read(path)
    # In words of its own: decode_image names option keys, which data is not prepared with.
    if refusal := _REFUSED.get(decode_header(data, str(path)).kind):
        raise DataError(f"{path}: {refusal}")
    return decode_image(data, str(path))
