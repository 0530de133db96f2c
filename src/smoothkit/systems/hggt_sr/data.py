"""Data sets of the super-resolution experiments: whole ground truths, to be degraded on the device.

Items are bytes where the files are, so that batches travel as bytes; networks get floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.store import ImageStore, open_store
from smoothkit.ops.io import Alpha, to_float
from smoothkit.ops.label_votes import NEGATIVE, POSITIVE
from smoothkit.systems.hggt_sr.labels import Labels, kept, read_labels
from smoothkit.systems.hggt_sr.moves import Moves, check_kind

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
        permute_colors: put the channels of each sample into a random order, for few colours.
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
        permute_colors: bool = False,
        alpha: Alpha = "refuse",
    ) -> None:
        self._store = open_store(dataroot_gt, option="dataroot_gt")
        self._moves = Moves(use_hflip, use_rot, crop_size, permute_colors=permute_colors)
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
            check_kind(path, header, self._alpha)
            self._moves.check(path, header, sizes)

        return check_each(self._store.names, check)


@DATASET_REGISTRY.register(
    aliases={
        "PosNegGTOriDataset": {"use": "original"},
        "PosNegGTPosDataset": {"use": "positive"},
        "PosNegGTPosNeg_Dataset": {"use": "positive_negative"},
        "TwoStageDegradation_PosNegGTPos_Dataset": {"use": "positive"},
    }
)
class HggtDataset(ImageDataset):
    """Sets of an original and its enhanced versions, of which annotators said what they think.

    Items, RGB, uint8 or for 16-bit files float32 in [0, 1], (3, H, W): ``gt``, the target; with
    ``use`` other than original ``original``; with positive_negative also ``negative`` and
    ``positive``, drawn for the negative term by itself, and how many agreed, ``negative_votes``
    (0: the set has no negative) and ``positive_votes`` of ``num_annotators``; ``gt_path``. Only
    what an item needs is decoded.

    Args:
        dataroot_gt: folder or ``.lmdb`` of ``original/<set>.png`` and ``01/<set>_01.png``, ...
        dataroot_labels: folder of ``<annotator>/<set>.json``.
        use: what is learned from: originals; a positive of each set, drawn anew each time; that and
            a negative. Sets that have neither are left out.
        use_hflip: mirror half of the samples.
        use_rot: turn and transpose them too.
        crop_size: side of a random crop; ~: whole images, which then need one size in a batch.
        permute_colors: put the channels of each sample into a random order, for few colours.
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
        permute_colors: bool = False,
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
        self._moves = Moves(use_hflip, use_rot, crop_size, permute_colors=permute_colors)
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
            item["num_annotators"] = self._labels.num_annotators
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
                check_kind(self._store.path(file), headers[-1], self._alpha)
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


def _one_of(versions: Sequence[str], rng: np.random.Generator) -> str:
    return versions[int(rng.integers(len(versions)))]


@DATASET_REGISTRY.register(aliases=["PairedLabeledImageDataset"])
class LabelledPairDataset(ImageDataset):
    """Originals with low-quality images, of the sets whose labels qualify.

    Items: ``lq`` and ``gt``, (3, H, W) float32 in [0, 1], RGB; ``lq_path`` and ``gt_path``.

    Args:
        dataroot_gt, dataroot_lq: folders or ``.lmdb``, with ``original/<set>.png`` each.
        dataroot_labels: folder of ``<annotator>/<set>.json``.
        only_positive: leave out sets without a positive picture.
        use_hflip: mirror half of the samples.
        use_rot: turn and transpose them too.
        gt_size: side of a random crop of the ground truth; ~: whole images.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: a folder is missing, labels cannot be read, or no set is left.
    """

    def __init__(
        self,
        dataroot_gt: str,
        dataroot_lq: str,
        dataroot_labels: str,
        only_positive: bool = True,
        use_hflip: bool = False,
        use_rot: bool = False,
        gt_size: int | None = None,
        alpha: Alpha = "refuse",
    ) -> None:
        self._stores = {
            "lq": open_store(dataroot_lq, option="dataroot_lq", is_recursive=True),
            "gt": open_store(dataroot_gt, option="dataroot_gt", is_recursive=True),
        }
        self._files = {key: _by_version(store) for key, store in self._stores.items()}
        labels = read_labels(dataroot_labels)
        rows = kept(labels, "positive" if only_positive else "all")
        self._names = [labels.names[row] for row in rows]
        if not self._names:
            raise DataError(f"dataroot_labels: no set of {dataroot_labels} has a positive picture.")
        self._moves = Moves(use_hflip, use_rot, gt_size)
        self._alpha: Alpha = alpha

    def __len__(self) -> int:
        return len(self._names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        files = self._pair(index)
        images = {k: self._stores[k].read(f, alpha=self._alpha) for k, f in files.items()}
        paths = {k: self._stores[k].path(f) for k, f in files.items()}
        self._moves.check_multiple(
            paths["gt"], images["lq"].shape[:2], images["gt"].shape[:2], paths["lq"]
        )
        lq, gt = self._moves([to_float(images["lq"]), to_float(images["gt"])], rng)
        return {"lq": lq, "gt": gt, "lq_path": paths["lq"], "gt_path": paths["gt"]}

    def check(self) -> list[tuple[int, str]]:
        def check(index: str) -> None:
            files = self._pair(int(index))
            headers = {k: self._stores[k].header(f) for k, f in files.items()}
            paths = {k: self._stores[k].path(f) for k, f in files.items()}
            for key, header in headers.items():
                check_kind(paths[key], header, self._alpha)
            small, large = ((headers[k].height, headers[k].width) for k in ("lq", "gt"))
            self._moves.check_multiple(paths["gt"], small, large, paths["lq"])

        return check_each(map(str, range(len(self))), check)

    def _pair(self, index: int) -> dict[str, str]:
        name, found = self._names[index], {}
        for key, files in self._files.items():
            file = files.get((_ORIGINAL, name))
            if file is None:
                missing = self._stores[key].path(f"{_ORIGINAL}/{name}.png")
                raise DataError(f"{missing}: missing, though it has labels.")
            found[key] = file
        return found


def _by_version(store: ImageStore) -> dict[tuple[str, str], str]:
    """(version, stem) -> file name; the folder may be called ``Original``."""
    found = {}
    for name in store.names:
        folder, _, file = name.rpartition("/")
        found[folder.lower(), file.rpartition(".")[0]] = name
    return found
