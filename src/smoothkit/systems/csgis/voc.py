"""What a VOC-smooth data set is made from: VOC's folders, and which of their images take part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data.prepare.numbering import read_map, stem_of
from smoothkit.data.store import image_files
from smoothkit.ops.io import read_bytes

PHOTOGRAPHS, MASKS = "JPEGImages", "SegmentationClass"
NUM_GT = 150  # of the published data set
_FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Sources:
    """Where a data set comes from. Images belong together by their names up to the first dot.

    Args:
        voc_dir: has ``SegmentationClass`` and, where photographs are needed, ``JPEGImages``.
        tx_dir: textures.
        gt_dir: smooth images; only what it has takes part. ~ smooths photographs instead.
        over_dir: over-smoothed images; ~ filters photographs instead.
        names: file with the name of an image a line; only these take part.
        num_gt: draws so many; ~ takes all of ``gt_dir``, else up to 150.
        map_file: ``map.txt`` of an earlier data set, which says what takes part and as which
            number, in place of ``names`` and ``num_gt``.
    """

    voc_dir: str | Path
    tx_dir: str | Path
    gt_dir: str | Path | None = None
    over_dir: str | Path | None = None
    names: str | Path | None = None
    num_gt: int | None = None
    map_file: str | Path | None = None


@dataclass(frozen=True)
class Entry:
    """The files of one image. What is None of ``gt`` and ``over`` is made from ``photo``."""

    stem: str
    mask: Path
    gt: Path | None
    over: Path | None
    photo: Path | None

    @property
    def truth(self) -> Path:
        """The ground truth, or what it is made from."""
        truth = self.gt or self.photo
        assert truth is not None
        return truth


@dataclass(frozen=True)
class Selection:
    """Images in the order of their numbers, and names of the list that are not among them."""

    entries: list[Entry]
    left_out: list[str]


def select(sources: Sources, seed: int = 0) -> Selection:
    """The images that take part; none of them is read.

    Args:
        seed: of the draw of ``num_gt``.

    Raises:
        DataError: a folder or file is missing, several files have one name, the map is faulty, or
            there are too few images; of missing files the first few are named.
        ValueError: ``map_file`` together with ``names`` or ``num_gt``.
    """
    masks = _Folder(_part_of(sources.voc_dir, MASKS))
    gts = _Folder(sources.gt_dir) if sources.gt_dir else None
    overs = _Folder(sources.over_dir) if sources.over_dir else None
    needs_photos = gts is None or overs is None
    photos = _Folder(_part_of(sources.voc_dir, PHOTOGRAPHS)) if needs_photos else None
    selected, left_out = _selected(sources, gts or masks, seed)
    folders = [folder for folder in (masks, gts, overs, photos) if folder]
    raise_faults(
        fault for stem in selected for fault in _name_faults(stem, folders, sources.map_file)
    )
    entries = [
        Entry(
            stem,
            mask=masks.files[stem][0],
            gt=gts.files[stem][0] if gts else None,
            over=overs.files[stem][0] if overs else None,
            photo=photos.files[stem][0] if photos else None,
        )
        for stem in selected
    ]
    return Selection(entries, left_out)


def raise_faults(faults: Iterable[str]) -> None:
    """Refuse with the first few faults, a line each, and their count.

    Raises:
        DataError: there are any.
    """
    lines = list(dict.fromkeys(faults))
    if lines:
        more = len(lines) - _FAULTS_SHOWN
        rest = [f"... and {more} more; {len(lines)} faults in all."] if more > 0 else []
        raise DataError("\n".join([*lines[:_FAULTS_SHOWN], *rest]))


class _Folder:
    """Images of a folder by their names up to the first dot, in name order.

    Raises:
        DataError: no such folder, or none in it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.files: dict[str, list[Path]] = {}
        for path in image_files(root):
            self.files.setdefault(stem_of(path), []).append(path)


def _name_faults(
    stem: str, folders: Sequence[_Folder], map_file: str | Path | None
) -> Iterator[str]:
    """Why there is not one image of that name in each folder.

    Args:
        map_file: where the name is from, or ~.
    """
    lacking = [str(folder.root) for folder in folders if stem not in folder.files]
    if lacking and map_file:
        verb = "does" if len(lacking) == 1 else "do"
        yield f"{map_file}: names '{stem}', which {' and '.join(lacking)} {verb} not have."
    elif lacking:
        verb = "has" if len(lacking) == 1 else "have"
        yield f"{' and '.join(lacking)}: {verb} no image '{stem}'. Add it, or leave it out."
    for folder in folders:
        found = folder.files.get(stem, [])
        if len(found) > 1:
            yield f"{found[1]}: has the name of {found[0].name}. Rename one of them."


def _part_of(voc_dir: str | Path, part: str) -> Path:
    folder = Path(voc_dir) / part
    if not folder.is_dir():
        raise DataError(
            f"{voc_dir}: has no folder '{part}'. Give VOC's folder that has {PHOTOGRAPHS} and "
            f"{MASKS}, such as VOCdevkit/VOC2012."
        )
    return folder


def _selected(sources: Sources, pool: _Folder, seed: int) -> tuple[list[str], list[str]]:
    """Names of the images by number, and those of the list that the pool does not have."""
    if sources.map_file:
        if sources.names or sources.num_gt is not None:
            raise ValueError("map_file: says what takes part; leave out names and num_gt.")
        numbers = read_map(sources.map_file)
        if not numbers:
            raise DataError(f"{sources.map_file}: names no image.")
        return sorted(numbers, key=numbers.__getitem__), []
    stems, left_out = list(pool.files), []
    if sources.names:
        listed = _listed(sources.names, pool)
        stems = [stem for stem in stems if stem in listed]
        left_out = [stem for stem in listed if stem not in pool.files]
        if not stems:
            raise DataError(f"{sources.names}: names no image that {pool.root} has.")
    return _drawn(stems, sources, pool, seed), left_out


def _listed(path: str | Path, pool: _Folder) -> dict[str, None]:
    """Names in a file of VOC's ``ImageSets``, where a class may stand behind a blank."""
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    return dict.fromkeys(line if line in pool.files else line.split()[0] for line in lines)


def _drawn(stems: Sequence[str], sources: Sources, pool: _Folder, seed: int) -> list[str]:
    """``num_gt`` of the names, in their order."""
    count = sources.num_gt
    if count is None:
        count = len(stems) if sources.gt_dir else min(NUM_GT, len(stems))
    if count > len(stems):
        where = f"{pool.root} has of {sources.names}" if sources.names else f"{pool.root} has"
        raise OptionError(f"--num_gt: must be at most {len(stems)}, which {where}, got {count}.")
    rng = np.random.default_rng(seed)
    return [stems[i] for i in sorted(rng.choice(len(stems), count, replace=False).tolist())]
