"""The worst and the best results of an evaluation on one page that opens from disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.core.html import details, grid, page, section, table
from smoothkit.engine.folder_evaluation import Evaluation
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
        input_dir: inputs named like the results, in any format, to be shown before them; ~: none.

    Raises:
        DataError: ``input_dir`` cannot be read.
    """
    found = evaluation.table
    order = found.worst_first(metric, is_higher_better=is_higher_better)
    worst, best = order[:count], order[: -count - 1 : -1]
    best = [index for index in best if index not in worst]
    inputs = _by_stem(input_dir)
    told = f"{'input, ' if inputs else ''}result, ground truth, error"
    means = [[name, *values.values()] for name, values in found.summary().items()]
    rows = [list(found.rows[index].values()) for index in order]
    return page(
        f"{found.dataset}: {len(rows)} images",
        section("Means", table(["metric", "mean", "spread", "images"], means)),
        section("Skipped", *(f"<p>{escape(line)}</p>" for line in evaluation.skipped)),
        section(f"Lowest quality by {metric}: {told}", _shown(evaluation, worst, inputs)),
        section(f"Highest quality by {metric}: {told}", _shown(evaluation, best, inputs)),
        section("All images", details("worst first", table(["image", *found.metrics], rows))),
    )


def _shown(evaluation: Evaluation, order: Sequence[int], inputs: Mapping[str, Path]) -> str:
    strips = [_strip(evaluation, row, inputs) for row in order]
    return grid(strips, width="36rem") if any(strips) else ""


def _strip(evaluation: Evaluation, row: int, inputs: Mapping[str, Path]) -> str:
    item, name = evaluation.data[evaluation.indices[row]], evaluation.names[row]
    visuals = {"result": item["lq"][None], "gt": item["gt"][None]}
    source = inputs.get(Path(name).stem)
    if source is not None:
        try:
            image = read_image(source, alpha="drop", cmyk="convert")
            visuals["lq"] = to_tensor(to_float(image))[None]
        except DataError as error:
            log.warning("shown without its input: %s", error)
    measured = evaluation.table.rows[row]
    values = ", ".join(f"{key} {value:.4f}" for key, value in measured.items() if key != "image")
    strip = to_bgr_bytes(comparison_row(visuals))
    return embedded(strip, f"{name}: {values}", (_WIDTH, _HEIGHT))


def _by_stem(folder: str | Path | None) -> dict[str, Path]:
    """Files of a folder by name without extension, as inputs may be of another format."""
    if folder is None:
        return {}
    try:
        return {path.stem: path for path in sorted(Path(folder).iterdir()) if path.is_file()}
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}.") from error
