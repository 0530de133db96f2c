"""Data sets of the super-resolution experiments: whole ground truths, to be degraded on the device.

Items are bytes where the files are, so that batches travel as bytes; networks get floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from torch.utils.data import get_worker_info

from smoothkit.core.errors import DataError
from smoothkit.core.parallel import in_threads
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.moves import Moves, check_kind
from smoothkit.data.store import open_store
from smoothkit.ops.io import Alpha, to_float
from smoothkit.ops.label_votes import NEGATIVE, POSITIVE
from smoothkit.systems.hggt_sr.labels import Labels, kept, read_labels
from smoothkit.systems.hggt_sr.pictures import ORIGINAL, Pictures

Use = Literal["original", "positive", "positive_negative"]

_KEPT = {"original": "all", "positive": "positive", "positive_negative": "positive_or_negative"}


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
        self._pictures = Pictures(dataroot_gt, option="dataroot_gt")
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
        name = self._labels.names[row]
        # Data workers share the cores by samples; without them one sample is decoded by all.
        workers = 1 if get_worker_info() is not None else None
        images = list(in_threads(lambda v: self._read(name, v), list(wanted), workers))
        self._pictures.check_sizes(name, wanted, [image.shape[:2] for image in images])
        moved = dict(zip(wanted, self._moves(images, rng), strict=True))
        item: dict[str, Any] = {key: moved[version] for key, version in chosen.items()}
        if self._use == "positive_negative":
            item["negative_votes"] = self._votes(row, chosen["negative"], missing=0)
            item["positive_votes"] = self._votes(
                row, chosen["positive"], missing=self._labels.num_annotators
            )
            item["num_annotators"] = self._labels.num_annotators
        return {**item, "gt_path": self._pictures.path(name, chosen["gt"])}

    def check(self) -> list[tuple[int, str]]:
        sizes: dict[str, tuple[int, int]] = {}

        def check(index: str) -> None:
            name = self._labels.names[self._rows[int(index)]]
            used = [ORIGINAL, *(self._labels.versions if self._use != "original" else ())]
            headers = [self._pictures.header(name, version) for version in used]
            for version, header in zip(used, headers, strict=True):
                check_kind(self._pictures.path(name, version), header, self._alpha)
            self._pictures.check_sizes(name, used, [(h.height, h.width) for h in headers])
            self._moves.check(self._pictures.path(name, ORIGINAL), headers[0], sizes)

        return check_each(map(str, range(len(self))), check)

    def _read(self, name: str, version: str) -> np.ndarray:
        return self._pictures.read(name, version, alpha=self._alpha)

    def _draw(self, row: int, rng: np.random.Generator) -> dict[str, str]:
        """Which version each image of the item is."""
        if self._use == "original":
            return {"gt": ORIGINAL}
        positives = self._labelled(row, POSITIVE) or [ORIGINAL]
        chosen = {"gt": _one_of(positives, rng), "original": ORIGINAL}
        if self._use == "positive":
            return chosen
        negatives = self._labelled(row, NEGATIVE)
        if not negatives:
            return {**chosen, "negative": ORIGINAL, "positive": ORIGINAL}
        negative = _one_of(negatives, rng)
        return {**chosen, "negative": negative, "positive": _one_of(positives, rng)}

    def _labelled(self, row: int, code: int) -> list[str]:
        found = np.flatnonzero(self._labels.codes[row] == code)
        return [self._labels.versions[column] for column in found]

    def _votes(self, row: int, version: str, *, missing: int) -> int:
        if version == ORIGINAL:
            return missing
        return int(self._labels.votes[row, self._labels.versions.index(version)])


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
        self._small = Pictures(dataroot_lq, option="dataroot_lq")
        self._large = Pictures(dataroot_gt, option="dataroot_gt")
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
        name = self._names[index]
        lq, gt = (p.read(name, ORIGINAL, alpha=self._alpha) for p in (self._small, self._large))
        lq_path, gt_path = (p.path(name, ORIGINAL) for p in (self._small, self._large))
        self._moves.check_multiple(gt_path, lq.shape[:2], gt.shape[:2], lq_path)
        moved = self._moves([to_float(lq), to_float(gt)], rng)
        return {"lq": moved[0], "gt": moved[1], "lq_path": lq_path, "gt_path": gt_path}

    def check(self) -> list[tuple[int, str]]:
        def check(index: str) -> None:
            sizes, paths = [], []
            for pictures in (self._small, self._large):
                paths.append(pictures.path(self._names[int(index)], ORIGINAL))
                header = pictures.header(self._names[int(index)], ORIGINAL)
                check_kind(paths[-1], header, self._alpha)
                sizes.append((header.height, header.width))
            self._moves.check_multiple(paths[1], sizes[0], sizes[1], paths[0])

        return check_each(map(str, range(len(self))), check)


def _one_of(versions: Sequence[str], rng: np.random.Generator) -> str:
    return versions[int(rng.integers(len(versions)))]
