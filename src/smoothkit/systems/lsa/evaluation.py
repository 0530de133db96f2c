"""Measuring alpha mattes that lie in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import ImageStore
from smoothkit.engine.fingerprints import combined, fingerprint
from smoothkit.engine.tables import Table
from smoothkit.engine.validation import measure
from smoothkit.ops.io import to_float
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.mattes import check_size, partner_of, plane_of
from smoothkit.systems.lsa.trimap import Levels, checked_trimap, has_unknown, looks_inverted


@dataclass(frozen=True)
class Stores:
    """Mattes, their ground truths and trimaps."""

    pred: ImageStore
    gt: ImageStore
    trimap: ImageStore


@dataclass(frozen=True)
class Trio:
    """File names of a matte, its ground truth and its trimap."""

    pred: str
    gt: str
    trimap: str


@dataclass(frozen=True)
class _Measured:
    values: dict[str, float]
    trimap: str


def evaluate_mattes(
    stores: Stores,
    metrics: Mapping[str, Mapping[str, Any]],
    title: str,
    *,
    levels: Levels = "refuse",
    workers: int | None = None,
) -> tuple[Table, list[str]]:
    """Measure all mattes; returns the table, and why others are not in it, a line each.

    The fact ``trimaps`` of the table is the combined fingerprint (``engine.fingerprints``) of the
    trimaps that figures are of, as measured with. Figures of different trimaps are not to be
    compared.

    Args:
        stores: mattes and ground truths of 8 or 16 bits, grey or of equal channels.
        metrics: sections as in an option file, ``{'type': NAME, **options}``, by column.
        title: of the table.
        levels: what to do with trimaps of other levels than 0, 128 and 255.
        workers: threads; None for one for each usable CPU.

    Raises:
        DataError: a folder has two images of one stem.
    """
    trios, faults = pair_mattes(stores)
    told: set[str] = set()
    rows: list[dict[str, Any]] = []
    prints: dict[str, str] = {}

    def measured(trio: Trio) -> _Measured | str:
        try:
            pred, gt, trimap = _read(stores, trio, levels)
        except DataError as error:
            return str(error)
        planes = {"result": to_float(pred), "gt": to_float(gt), "trimap": to_float(trimap)}
        visuals = {name: to_tensor(plane)[None] for name, plane in planes.items()}
        return _Measured(measure(metrics, visuals, trio.pred, told), fingerprint(trimap))

    progress = tqdm(trios, unit="image", disable=not sys.stderr.isatty())
    for trio, found in zip(progress, in_threads(measured, trios, workers), strict=True):
        if isinstance(found, str):
            faults.append(found)
            continue
        name = os.path.splitext(trio.pred)[0]
        rows.append({"image": name, **found.values})
        prints[name] = found.trimap
    rows.sort(key=lambda row: str(row["image"]))
    return Table(title, list(metrics), rows, {"trimaps": combined(prints)}), faults


def pair_mattes(stores: Stores) -> tuple[list[Trio], list[str]]:
    """What belongs together, in the order of the mattes; and what has no partner, a line each.

    Files belong together by stem, whatever their extension. A ground truth or trimap ``x`` also
    serves ``x_3`` and the like, which have none of their own.

    Raises:
        DataError: a folder has two images of one stem.
    """
    _, gts, trimaps = (by_stem(s.names, s.root) for s in (stores.pred, stores.gt, stores.trimap))
    trios, faults, used = [], [], set()
    for name in stores.pred.names:
        gt, trimap = (partner_of(name, held, are_shared=True) for held in (gts, trimaps))
        if gt and trimap:
            trios.append(Trio(name, gt, trimap))
        for found, kind, store in (
            (gt, "ground truth", stores.gt),
            (trimap, "trimap", stores.trimap),
        ):
            if found:
                used.add(store.path(found))
            else:
                faults.append(f"{stores.pred.path(name)}: has no {kind} in {store.root}.")
    wanted = {stem: stores.trimap.path(name) for stem, name in trimaps.items()}
    wanted |= {stem: stores.gt.path(name) for stem, name in gts.items()}
    unused = [path for path in wanted.values() if path not in used]
    faults += [f"{path}: has no matte in {stores.pred.root}." for path in sorted(unused)]
    return trios, faults


def _read(stores: Stores, trio: Trio, levels: Levels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of matte, ground truth and trimap, each (H, W)."""
    path, gt_path = stores.pred.path(trio.pred), stores.gt.path(trio.gt)
    trimap_path = stores.trimap.path(trio.trimap)
    pred = plane_of(stores.pred.read(trio.pred, "whole"), path)
    gt = plane_of(stores.gt.read(trio.gt, "whole"), gt_path)
    check_size(path, pred.shape, gt_path, gt.shape)
    stored = stores.trimap.read(trio.trimap, "whole")
    check_size(trimap_path, stored.shape, gt_path, gt.shape)
    trimap = checked_trimap(stored, trimap_path, levels=levels)
    if looks_inverted(trimap, gt):
        raise DataError(
            f"{trimap_path}: has foreground and background interchanged, as {gt_path} tells. "
            "Invert it: 255 is foreground."
        )
    if not has_unknown(trimap):
        raise DataError(f"{trimap_path}: has no unknown pixel, so there is nothing to measure.")
    return pred, gt, trimap
