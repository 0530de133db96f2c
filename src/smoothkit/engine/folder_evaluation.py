"""Measuring images that already lie in a folder, through the data set that pairs them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from smoothkit.core.errors import DataError
from smoothkit.data import build_dataset
from smoothkit.engine.tables import Table
from smoothkit.engine.validation import measure


@dataclass
class Evaluation:
    """What a folder of results gave.

    Args:
        table: per image, and its summary.
        data: the data set.
        names: file names of the results, in the order of the rows.
        indices: of the items, in the order of the rows.
        skipped: what could not be measured, a line each: results that cannot be used, and ground
            truths without a result.
    """

    table: Table
    data: Any
    names: list[str] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def evaluate_folders(
    section: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]], title: str
) -> Evaluation:
    """Measure the images of a test set as if they were results.

    Args:
        section: of a data set whose ``lq`` are the results, with ``gt`` and any further images
            that the metrics read.
        metrics: sections as in an option file, ``{'type': NAME, **options}``, by column.
        title: of the table.

    Raises:
        OptionError: a section cannot be used.
        DataError: a folder is missing, empty or ambiguous.
    """
    data = build_dataset(section)
    result = Evaluation(Table(title, list(metrics)), data)
    folder = section["dataroot_lq"]
    result.skipped += [f"{path}: has no result in {folder}." for path in data.lonely_truths()]
    told: set[str] = set()
    for index in tqdm(range(len(data)), unit="image", disable=not sys.stderr.isatty()):
        try:
            item = data[index]
        except DataError as error:
            result.skipped.append(str(error))
            continue
        path = Path(item["lq_path"])
        visuals = {key: image[None] for key, image in item.items() if isinstance(image, Tensor)}
        visuals["result"] = visuals.pop("lq")
        row = {"image": path.stem, **measure(metrics, visuals, path.name, told)}
        result.table.rows.append(row)
        result.names.append(path.name)
        result.indices.append(index)
    return result
