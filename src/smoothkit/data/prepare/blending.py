"""Training pairs for smoothing, made by blending.

Layout: ``train/<t * N + b>.png`` holds ground truth b and texture t, of N ground truths, both
counted in sorted name order; ``edge/<b>.png`` the edges of ground truth b; ``map.txt`` its number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads, of_shard
from smoothkit.data.origin import File, Origin
from smoothkit.data.prepare.numbering import MAP_FILE, map_bytes, numbered, stem_of
from smoothkit.data.prepare.outputs import due_of_set, list_origins, refuse_as_output
from smoothkit.data.provenance import Note, Writer
from smoothkit.data.store import image_files
from smoothkit.ops.blend import EdgeChannel, edge_map, grey_texture, observation
from smoothkit.ops.io import decode_header, decode_image, encode_image, read_bytes

Reader = Callable[[Path], bytes]
# Where pairs may be: made in the first, moved to the others.
PAIR_FOLDERS = ("train", "val", "val_small")
# Wherever a pair is, notes call it as in the first: a move changes nothing of what it is made from.
SAME_PAIRS = dict.fromkeys(PAIR_FOLDERS[1:], PAIR_FOLDERS[0])
EDGE = "edge"
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
    overwrite: bool = False,
) -> int:
    """Blend every texture with every ground truth; returns the number of pairs written.

    Pairs are kept that the folder's note says are made from these images, also where ``split_val``
    has moved them to ``val`` or ``val_small``; others that it tells of are made anew where they
    are, or removed where no ground truth and texture have their number.

    Args:
        texture_dir, gt_dir: 8-bit images; all textures are held in memory.
        out_dir: made where missing; gets ``train``, ``edge`` and ``map.txt``.
        edge_channel: what the edges are taken from; see ``edge_map``.
        map_file: numbers of the ground truths from an earlier data set, instead of name order.
        workers: threads; None for one for each usable CPU.
        shard: (I, N) makes the pairs of every N-th ground truth, from the I-th on. Several shards
            may write into one ``out_dir``.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        DataError: an image or the map cannot be used, or no note tells of an image in the folders
            of results.

    Source: Feng et al., "Easy2Hard", IEEE TNNLS 2021, blending script. Differs: sorted names
    instead of the file system's order; the map and the note are ours.
    """
    out_dir = Path(out_dir)
    folders = (*PAIR_FOLDERS, EDGE)
    refuse_as_output(out_dir, [texture_dir, gt_dir], folders)
    texture_paths = image_files(texture_dir)
    gt_paths = numbered(image_files(gt_dir), map_file)
    with Note(out_dir, same_as=SAME_PAIRS) as note:
        textures = read_textures(texture_paths, note.read)
        for path in gt_paths:  # all of them first: a bad one must not leave half a data set behind
            read_8_bits(path, note.read)
        pairs = [_pair_path(out_dir, n) for n in range(len(textures) * len(gt_paths))]
        edges = [out_dir / EDGE / f"{b}.png" for b in range(len(gt_paths))]
        maps = {out_dir / MAP_FILE: map_bytes([stem_of(path) for path in gt_paths])}
        truths = [Origin({"ground truth": note.file(path)}) for path in gt_paths]
        files = [note.file(path) for path in texture_paths]
        lists = list_origins(maps)
        origins = dict(lists)
        origins |= zip(pairs, pair_origins(files, truths), strict=True)
        origins |= zip(edges, edge_origins(truths, edge_channel), strict=True)
        numbers = of_shard(range(len(gt_paths)), shard)
        own = [*lists, *(edges[b] for b in numbers)]
        own += [path for n, path in enumerate(pairs) if n % len(gt_paths) in numbers]
        due = due_of_set(note, origins, folders, own=own, overwrite=overwrite)
        write = Writer(note, origins.__getitem__, due)
        for path in lists:
            write(path, partial(maps.__getitem__, path))
        return blend_images(
            textures, gt_paths, pairs, edges, write, edge_channel=edge_channel, workers=workers
        )


def edge_origins(truths: Sequence[Origin], edge_channel: EdgeChannel) -> list[Origin]:
    """What the edges of ground truths are made from, which have the origins ``truths``."""
    return [
        Origin(truth.inputs, settings={**truth.settings, "edge_channel": edge_channel})
        for truth in truths
    ]


def pair_origins(textures: Sequence[File], truths: Sequence[Origin]) -> list[Origin]:
    """What pairs are made from, in the order of their numbers."""
    return [
        Origin({"texture": texture, **truth.inputs}, settings=truth.settings)
        for texture in textures
        for truth in truths
    ]


def blend_images(
    textures: Sequence[np.ndarray],
    gt_paths: Sequence[Path],
    pairs: Sequence[Path],
    edges: Sequence[Path],
    write: Writer,
    *,
    edge_channel: EdgeChannel = "blue",
    workers: int | None = None,
) -> int:
    """Write the pairs and edges that are due; returns the number of pairs written.

    Args:
        textures: as ``read_textures`` gives them.
        gt_paths: in the order of their numbers.
        pairs, edges: where to write, by number.
        workers: threads; None for one for each usable CPU.
    """
    for folder in {path.parent for path in (*pairs, *edges)}:
        remove_leftovers(folder)
    count = len(gt_paths)

    def make(b: int) -> int:
        gt = read_8_bits(gt_paths[b])

        def pair(texture: np.ndarray) -> bytes:
            return encode_image(np.concatenate([gt, observation(texture, gt)], axis=1))

        write(edges[b], lambda: encode_image(edge_map(gt, edge_channel)))
        return sum(
            write(path, partial(pair, texture))
            for path, texture in zip(pairs[b::count], textures, strict=True)
        )

    numbers = [b for b in range(count) if write.due & {edges[b], *pairs[b::count]}]
    made = in_threads(make, numbers, workers)
    return sum(tqdm(made, total=len(numbers), unit="image", disable=not sys.stderr.isatty()))


def _pair_path(out_dir: Path, number: int) -> Path:
    """Where a pair is, or is to be: ``split_val`` may have moved it."""
    moved = (out_dir / folder / f"{number}.png" for folder in PAIR_FOLDERS[1:])
    in_train = out_dir / PAIR_FOLDERS[0] / f"{number}.png"
    return next((path for path in moved if path.exists()), in_train)


def read_textures(paths: Sequence[Path], read: Reader = read_bytes) -> list[np.ndarray]:
    """Grey levels of textures, as ``grey_texture`` gives them; else as ``read_8_bits``."""
    return [grey_texture(read_8_bits(path, read)) for path in paths]


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
