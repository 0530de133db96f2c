"""Data sets of the super-resolution experiments: whole ground truths, to be degraded on the device.

Items are bytes where the files are, so that batches travel as bytes; networks get floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from smoothkit.core.errors import DataError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.store import ImageStore, open_store
from smoothkit.ops.io import Alpha, ImageHeader, kind_fault, to_float
from smoothkit.ops.label_votes import NEGATIVE, POSITIVE
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.hggt_sr.labels import Labels, kept, read_labels

Use = Literal["original", "positive", "positive_negative"]

_KEPT = {"original": "all", "positive": "positive", "positive_negative": "positive_or_negative"}
_ORIGINAL = "original"


@DATASET_REGISTRY.register(
    aliases=["OneStageDegradation_DF2K_Dataset", "TwoStageDegradation_DF2K_Dataset"]
)
class GroundTruthDataset(ImageDataset):
    """Ground truths alone.

    Items: ``gt``, (3, H, W) uint8, or float32 in [0, 1] of 16-bit files, RGB; ``gt_path``.

    Args:
        dataroot_gt: folder or ``.lmdb``.
        use_hflip: mirror half of the samples.
        use_rot: turn and transpose them too.
        crop_size: side of a random crop; ~: whole images, which then need one size in a batch.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: the folder is missing or has no images.
    """

    def __init__(
        self,
        dataroot_gt: str,
        use_hflip: bool = True,
        use_rot: bool = False,
        crop_size: int | None = None,
        alpha: Alpha = "refuse",
    ) -> None:
        self._store = open_store(dataroot_gt, option="dataroot_gt")
        self._moves = _Moves(use_hflip, use_rot, crop_size)
        self._alpha: Alpha = alpha

    def __len__(self) -> int:
        return len(self._store.names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        name = self._store.names[index]
        (gt,) = self._moves([self._store.read(name, alpha=self._alpha)], rng)
        return {"gt": gt, "gt_path": self._store.path(name)}

    def check(self) -> list[tuple[int, str]]:
        sizes: dict[str, tuple[int, int]] = {}

        def check(name: str) -> None:
            path, header = self._store.path(name), self._store.header(name)
            _check_kind(path, header, self._alpha)
            self._moves.check(path, header, sizes)

        return check_each(self._store.names, check)


@DATASET_REGISTRY.register(
    aliases=[
        "PosNegGTOriDataset",
        "PosNegGTPosDataset",
        "PosNegGTPosNeg_Dataset",
        "TwoStageDegradation_PosNegGTPos_Dataset",
    ]
)
class HggtDataset(ImageDataset):
    """Sets of an original and its enhanced versions, of which annotators said what they think.

    Items, RGB, uint8 or for 16-bit files float32 in [0, 1], (3, H, W): ``gt``, the target; with
    ``use`` other than original ``original``; with positive_negative also ``negative`` and
    ``positive``, drawn for the negative term by itself, and how many agreed, ``negative_votes``
    (0: the set has no negative) and ``positive_votes``; ``gt_path``. Only what an item needs is
    decoded.

    Args:
        dataroot_gt: folder or ``.lmdb`` of ``original/<set>.png`` and ``01/<set>_01.png``, ...
        dataroot_labels: folder of ``<annotator>/<set>.json``.
        use: what is learned from: originals; a positive of each set, drawn anew each time; that and
            a negative. Sets that have neither are left out.
        use_hflip: mirror half of the samples.
        use_rot: turn and transpose them too.
        crop_size: side of a random crop; ~: whole images, which then need one size in a batch.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: a folder is missing, labels cannot be read, or no set is left.

    Source: HGGT (arXiv 2303.13069). Differs: positives and negatives are drawn when a sample is
    read, not when it leaves the pool; sets are in order of name.
    """

    def __init__(
        self,
        dataroot_gt: str,
        dataroot_labels: str,
        use: Use = "positive_negative",
        use_hflip: bool = True,
        use_rot: bool = False,
        crop_size: int | None = None,
        alpha: Alpha = "refuse",
    ) -> None:
        self._store = open_store(dataroot_gt, option="dataroot_gt", is_recursive=True)
        self._files = _by_version(self._store)
        self._labels: Labels = read_labels(dataroot_labels)
        self._use = use
        self._rows = kept(self._labels, _KEPT[use])
        if not self._rows:
            what = "negative or positive" if use == "positive_negative" else "positive"
            raise DataError(f"dataroot_labels: no set of {dataroot_labels} has a {what} picture.")
        self._moves = _Moves(use_hflip, use_rot, crop_size)
        self._alpha: Alpha = alpha

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        row = self._rows[index]
        chosen = self._draw(row, rng)
        wanted = dict.fromkeys(chosen.values())
        images = [self._store.read(self._file(row, v), alpha=self._alpha) for v in wanted]
        self._check_sizes(row, wanted, [image.shape[:2] for image in images])
        moved = dict(zip(wanted, self._moves(images, rng), strict=True))
        item: dict[str, Any] = {name: moved[version] for name, version in chosen.items()}
        if self._use == "positive_negative":
            item["negative_votes"] = self._votes(row, chosen["negative"], missing=0)
            item["positive_votes"] = self._votes(
                row, chosen["positive"], missing=self._labels.num_annotators
            )
        return {**item, "gt_path": self._store.path(self._file(row, chosen["gt"]))}

    def check(self) -> list[tuple[int, str]]:
        sizes: dict[str, tuple[int, int]] = {}

        def check(index: str) -> None:
            row = self._rows[int(index)]
            used = [_ORIGINAL, *(self._labels.versions if self._use != "original" else ())]
            headers = []
            for version in used:
                file = self._file(row, version)
                headers.append(self._store.header(file))
                _check_kind(self._store.path(file), headers[-1], self._alpha)
            self._check_sizes(row, used, [(h.height, h.width) for h in headers])
            self._moves.check(self._store.path(self._file(row, _ORIGINAL)), headers[0], sizes)

        return check_each(map(str, range(len(self))), check)

    def _draw(self, row: int, rng: np.random.Generator) -> dict[str, str]:
        """Which version each image of the item is."""
        if self._use == "original":
            return {"gt": _ORIGINAL}
        positives = self._labelled(row, POSITIVE) or [_ORIGINAL]
        chosen = {"gt": _one_of(positives, rng), "original": _ORIGINAL}
        if self._use == "positive":
            return chosen
        negatives = self._labelled(row, NEGATIVE)
        if not negatives:
            return {**chosen, "negative": _ORIGINAL, "positive": _ORIGINAL}
        negative = _one_of(negatives, rng)
        return {**chosen, "negative": negative, "positive": _one_of(positives, rng)}

    def _labelled(self, row: int, code: int) -> list[str]:
        found = np.flatnonzero(self._labels.codes[row] == code)
        return [self._labels.versions[column] for column in found]

    def _votes(self, row: int, version: str, *, missing: int) -> int:
        if version == _ORIGINAL:
            return missing
        return int(self._labels.votes[row, self._labels.versions.index(version)])

    def _file(self, row: int, version: str) -> str:
        name = self._labels.names[row]
        stem = name if version == _ORIGINAL else f"{name}_{version}"
        file = self._files.get((version.lower(), stem))
        if file is None:
            raise DataError(
                f"{self._store.path(f'{version}/{stem}.png')}: missing, though it has labels."
            )
        return file

    def _check_sizes(
        self, row: int, versions: Iterable[str], sizes: Sequence[tuple[int, ...]]
    ) -> None:
        for version, size in zip(versions, sizes, strict=True):
            if size != sizes[0]:
                path = self._store.path(self._file(row, version))
                raise DataError(
                    f"{path}: must have the size of the others of its set, "
                    f"{sizes[0][0]}x{sizes[0][1]}, got {size[0]}x{size[1]}."
                )


class _Moves:
    """One crop, flip and turn for all images of a set."""

    def __init__(self, use_hflip: bool, use_rot: bool, crop_size: int | None) -> None:
        self._use_hflip, self._use_rot, self._crop_size = use_hflip, use_rot, crop_size

    def __call__(self, images: Sequence[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        height, width = images[0].shape[:2]
        side = self._crop_size
        top, left = (
            int(rng.integers(length - side + 1)) if side else 0 for length in (height, width)
        )
        window = (slice(top, top + (side or height)), slice(left, left + (side or width)))
        mirrors, flips, turns = rng.random(3) < 0.5
        moved = []
        for image in images:
            part = image[window]
            part = part[:, ::-1] if self._use_hflip and mirrors else part
            part = part[::-1] if self._use_rot and flips else part
            part = part.swapaxes(0, 1) if self._use_rot and turns else part
            moved.append(_as_tensor(part))
        return moved

    def check(self, path: str, header: ImageHeader, sizes: dict[str, tuple[int, int]]) -> None:
        """Refuse an image below the crop; without a crop one of another size than the first."""
        size = (header.height, header.width)
        if self._crop_size is not None:
            if min(size) < self._crop_size:
                raise DataError(
                    f"{path}: must have sides of crop_size ({self._crop_size}) or more, "
                    f"got {size[0]}x{size[1]}."
                )
            return
        first, expected = next(iter(sizes.items()), (path, size))
        sizes.setdefault(first, expected)
        if size != expected:
            raise DataError(
                f"{path}: has {size[0]}x{size[1]} pixels, {first} has {expected[0]}x{expected[1]}. "
                "Whole images of a batch need one size: set crop_size."
            )


def _as_tensor(image: np.ndarray) -> Tensor:
    return to_tensor(image) if image.dtype == np.uint8 else to_tensor(to_float(image))


def _one_of(versions: Sequence[str], rng: np.random.Generator) -> str:
    return versions[int(rng.integers(len(versions)))]


def _check_kind(path: str, header: ImageHeader, alpha: Alpha) -> None:
    if fault := kind_fault(header, alpha=alpha):
        raise DataError(f"{path}: {fault}")


def _by_version(store: ImageStore) -> dict[tuple[str, str], str]:
    """(version, stem) -> file name; the folder may be called ``Original``."""
    found = {}
    for name in store.names:
        folder, _, file = name.rpartition("/")
        found[folder.lower(), file.rpartition(".")[0]] = name
    return found
