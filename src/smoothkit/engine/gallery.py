"""The worst and the best results of an evaluation on one page that opens from disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from smoothkit.core.errors import DataError
from smoothkit.core.html import details, grid, page, section, table
from smoothkit.engine.folder_evaluation import Evaluation, Measured
from smoothkit.engine.visuals import comparison_row, embedded, to_bgr_bytes
from smoothkit.ops.io import read_image, to_float
from smoothkit.ops.tensor import to_tensor

log = logging.getLogger(__name__)

_WIDTH, _HEIGHT = 1200, 480


def gallery(
    evaluation: Evaluation,
    metric: str,
    *,
    is_higher_better: bool,
    count: int = 8,
    input_dir: str | Path | None = None,
) -> str:
    """The page: means, the worst and the best images side by side, all images in a table.

    Args:
        evaluation: as ``evaluate_folders`` gave it.
        metric: column to sort by.
        is_higher_better: its direction.
        count: images shown from each end, each once.
        input_dir: inputs named like the results, to be shown before them; ~: none.
    """
    found = evaluation.table
    order = found.worst_first(metric, is_higher_better=is_higher_better)
    worst, best = order[:count], order[: -count - 1 : -1]
    best = [index for index in best if index not in worst]
    told = f"{'input, ' if input_dir else ''}result, ground truth, error"
    means = [[name, *values.values()] for name, values in found.summary().items()]
    rows = [list(found.rows[index].values()) for index in order]
    return page(
        f"{found.dataset}: {len(rows)} images",
        section("Means", table(["metric", "mean", "spread", "images"], means)),
        section("Skipped", *(f"<p>{escape(line)}</p>" for line in evaluation.skipped)),
        section(f"Lowest quality by {metric}: {told}", _shown(evaluation, worst, input_dir)),
        section(f"Highest quality by {metric}: {told}", _shown(evaluation, best, input_dir)),
        section("All images", details("worst first", table(["image", *found.metrics], rows))),
    )


def _shown(evaluation: Evaluation, order: Sequence[int], input_dir: str | Path | None) -> str:
    strips = [
        _strip(evaluation.images[index], evaluation.table.rows[index], input_dir) for index in order
    ]
    return grid(strips, width="36rem") if any(strips) else ""


def _strip(image: Measured, row: Mapping[str, Any], input_dir: str | Path | None) -> str:
    values = ", ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "image")
    paths = {"result": image.pred, "gt": image.gt}
    if input_dir is not None:
        paths["lq"] = Path(input_dir) / image.pred.name
    try:
        visuals = {
            key: to_tensor(to_float(read_image(path, alpha="drop", cmyk="convert")))[None]
            for key, path in paths.items()
        }
    except DataError as error:
        log.warning("left out of the gallery: %s", error)
        return ""
    strip = to_bgr_bytes(comparison_row(visuals))
    return embedded(strip, f"{image.pred.name}: {values}", (_WIDTH, _HEIGHT))
