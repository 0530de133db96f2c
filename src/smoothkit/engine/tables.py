"""Per-image numbers of one or more data sets, and their summary."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import Any

from smoothkit.core.files import write_json, write_text
from smoothkit.ops.means import mean_of_finite


@dataclass
class Table:
    """What one data set measured.

    Args:
        dataset: its name.
        metrics: names of the columns.
        rows: per image: ``image`` and the value of each metric; NaN where it failed.
        facts: what the figures depend on, by name; written beside each of them.
    """

    dataset: str
    metrics: Sequence[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    facts: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean, spread (sample standard deviation) and number of finite values, by metric."""
        return {name: _summary([row[name] for row in self.rows]) for name in self.metrics}

    def worst_first(self, metric: str, *, is_higher_better: bool) -> list[int]:
        """Indices of the rows, worst ``metric`` first; those without a value before all others."""
        sign = 1 if is_higher_better else -1

        def goodness(index: int) -> float:
            value = float(self.rows[index][metric])
            return -math.inf if math.isnan(value) else sign * value

        return sorted(range(len(self.rows)), key=goodness)

    def line(self) -> str:
        """The summary in one line."""
        parts = [
            f"{name} {_shown(values['mean'])} ± {_shown(values['std'])}"
            + self._left_out(values["count"])
            for name, values in self.summary().items()
        ]
        about = [f"{len(self.rows)} images", *(f"{key} {fact}" for key, fact in self.facts.items())]
        return f"{self.dataset}: {', '.join(parts) or 'no metrics'} ({', '.join(about)})"

    def _left_out(self, count: float) -> str:
        """What to say where the mean is not over all images: equal ones have an infinite PSNR."""
        left = len(self.rows) - int(count)
        return f" ({left} not finite, left out)" if left and count else ""


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Write ``metrics.csv`` (a row an image) and ``metrics.json`` (the summaries) to ``folder``."""
    metrics = dict.fromkeys(name for table in tables for name in table.metrics)
    facts = dict.fromkeys(name for table in tables for name in table.facts)
    text = io.StringIO()
    writer = csv.DictWriter(text, ["dataset", "image", *metrics, *facts], lineterminator="\n")
    writer.writeheader()
    for table in tables:
        writer.writerows({"dataset": table.dataset, **row, **table.facts} for row in table.rows)
    write_text(folder / "metrics.csv", text.getvalue())
    summaries = {table.dataset: {**table.summary(), **table.facts} for table in tables}
    write_json(folder / "metrics.json", summaries)


def _shown(value: float) -> str:
    return f"{value:.4g}" if 0 < abs(value) < 0.01 else f"{value:.4f}"


def _summary(values: Sequence[float]) -> dict[str, float]:
    finite = [value for value in values if math.isfinite(value)]
    return {
        "mean": mean_of_finite(values),
        "std": stdev(finite) if len(finite) > 1 else 0.0,
        "count": len(finite),
    }
