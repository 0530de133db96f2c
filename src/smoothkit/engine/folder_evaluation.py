"""Measuring the images of one folder against the ground truths of another."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.data.protocols import Protocol, by_stem, ground_truth_name
from smoothkit.data.store import ImageStore, open_store
from smoothkit.engine.tables import Table
from smoothkit.engine.validation import measure
from smoothkit.ops.io import to_float
from smoothkit.ops.tensor import to_tensor


@dataclass(frozen=True)
class Measured:
    """One image with its ground truth.

    Args:
        name: file name of the result.
        pred, gt: the files.
    """

    name: str
    pred: Path
    gt: Path


@dataclass
class Evaluation:
    """What two folders gave.

    Args:
        table: per image, and its summary.
        images: in the order of the rows.
        skipped: what could not be measured, a line each.
    """

    table: Table
    images: list[Measured] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def evaluate_folders(
    pred_dir: str | Path,
    gt_dir: str | Path,
    metrics: Mapping[str, Mapping[str, Any]],
    *,
    protocol: Protocol = "name",
    num_gt: int = 150,
    title: str | None = None,
) -> Evaluation:
    """Measure every image of ``pred_dir``.

    Images are read as 8- or 16-bit colour, alpha dropped, and put into the metrics in [0, 1].

    Args:
        pred_dir, gt_dir: folders or ``.lmdb``.
        metrics: sections as in an option file, ``{'type': NAME, **options}``, by column.
        protocol, num_gt: how a result's name tells its ground truth, as for
            ``data.protocols.ground_truth_stem``.
        title: of the table; default: name of ``pred_dir``.

    Raises:
        DataError: a folder is missing, empty or ambiguous.
    """
    preds = open_store(pred_dir, option="pred_dir")
    truths = open_store(gt_dir, option="gt_dir")
    held = by_stem(truths.names, truths.root)
    result = Evaluation(Table(title or Path(pred_dir).resolve().name, list(metrics)))
    for name in tqdm(preds.names, unit="image", disable=not sys.stderr.isatty()):
        try:
            truth = ground_truth_name(name, held, truths.root, protocol, num_gt)
            pair = {"result": _read(preds, name), "gt": _read(truths, truth)}
            _check_sizes(preds.path(name), truths.path(truth), pair["result"], pair["gt"])
        except DataError as error:
            result.skipped.append(str(error))
            continue
        stem = Path(name).stem
        result.table.rows.append({"image": stem, **measure(metrics, pair, stem)})
        result.images.append(Measured(name, Path(preds.path(name)), Path(truths.path(truth))))
    return result


def _read(store: ImageStore, name: str) -> Tensor:
    return to_tensor(to_float(store.read(name, alpha="drop", cmyk="convert")))[None]


def _check_sizes(pred: str, gt: str, image: Tensor, truth: Tensor) -> None:
    if image.shape != truth.shape:
        (height, width), (rows, columns) = image.shape[-2:], truth.shape[-2:]
        raise DataError(
            f"{pred}: must have the size of {gt}, {rows}x{columns}, got {height}x{width}."
        )
