"""Summaries of one or several methods measured over labels: tables, files, a page of plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.files import write_json, write_text
from smoothkit.core.html import grid, page
from smoothkit.engine.report_charts import STYLE, Line, Point, line_chart
from smoothkit.ops.means import mean_of_finite
from smoothkit.systems.hggt_sr.measures import LOWER_IS_BETTER
from smoothkit.systems.hggt_sr.multi_gt import Outcome, SetResult

_DRAWS = 2000


def summary(outcome: Outcome, metric: str, *, seed: int = 0) -> dict[str, float]:
    """Means over the sets of the best, mean and worst value over positives, and an interval.

    The interval holds 95 % of the means of sets drawn anew with replacement (bootstrap). Infinite
    values, of results that equal a ground truth, are left out; ``left_out`` counts them.
    """
    values = [list(found.values[metric].values()) for found in outcome.sets]
    best, worst = (min, max) if metric in LOWER_IS_BETTER else (max, min)
    means = np.array([found.mean(metric) for found in outcome.sets])
    finite = means[np.isfinite(means)]
    means = finite if len(finite) else means
    rng = np.random.default_rng(seed)
    drawn = means[rng.integers(len(means), size=(_DRAWS, len(means)))].mean(axis=1)
    # The nearest drawn value: between two infinite ones there is none.
    low, high = np.quantile(drawn, (0.025, 0.975), method="nearest")
    return {
        "mean": float(means.mean()),
        "low": float(low),
        "high": float(high),
        "best": mean_of_finite(map(best, values)),
        "worst": mean_of_finite(map(worst, values)),
        "sets": len(values),
        "left_out": outcome.num_left_out(metric),
    }


def sorted_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A row a method, the best first by the first metric: means with intervals, number of sets.

    Methods without results come last.
    """
    metrics = outcomes[0].metrics
    sign = 1 if metrics[0] in LOWER_IS_BETTER else -1
    measured = [outcome for outcome in outcomes if outcome.sets]
    rows = []
    for outcome in sorted(measured, key=lambda o: sign * o.mean(metrics[0])):
        cells = [summary(outcome, metric) for metric in metrics]
        rows.append(
            [
                outcome.title,
                *(f"{c['mean']:.4f} [{c['low']:.4f}, {c['high']:.4f}]" for c in cells),
                str(len(outcome.sets)),
            ]
        )
    empty = [outcome for outcome in outcomes if not outcome.sets]
    return rows + [[o.title, *("no results" for _ in metrics), "0"] for o in empty]


def header_of(metrics: Sequence[str]) -> list[str]:
    """Titles of the columns of ``sorted_rows``."""
    return ["method", *metrics, "sets"]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_results(outcomes: Sequence[Outcome], folder: Path, *, plot: bool = False) -> None:
    """Write ``metrics.csv``, ``metrics.json``, ``comparison.md``, ``comparison.csv``, plots."""
    metrics = list(outcomes[0].metrics)
    header = header_of(metrics)
    rows = sorted_rows(outcomes)
    write_text(folder / "metrics.csv", _csv(["method", "set", "version", *metrics], _all(outcomes)))
    content: dict[str, Any] = {
        outcome.title: {
            **{metric: summary(outcome, metric) for metric in metrics if outcome.sets},
            "skipped": outcome.skipped,
        }
        for outcome in outcomes
    }
    write_json(folder / "metrics.json", content)
    write_text(folder / "comparison.md", markdown(header, rows))
    write_text(folder / "comparison.csv", _csv(header, rows))
    if plot:
        charts = [_chart(outcomes, metric) for metric in metrics]
        text = page("Sets, sorted", grid(charts, width="24rem"), style=STYLE)
        write_text(folder / "plots.html", text)


def _all(outcomes: Sequence[Outcome]) -> list[list[Any]]:
    return [
        [outcome.title, found.name, version, *(found.values[m][version] for m in outcome.metrics)]
        for outcome in outcomes
        for found in outcome.sets
        for version in _versions(found)
    ]


def _versions(found: SetResult) -> list[str]:
    return list(next(iter(found.values.values())))


def _chart(outcomes: Sequence[Outcome], metric: str) -> str:
    lines = []
    for number, outcome in enumerate(outcomes):
        values = sorted(found.mean(metric) for found in outcome.sets)
        points = [Point(position, value) for position, value in enumerate(values, 1)]
        lines.append(Line(outcome.title, number, points))
    return line_chart(metric, lines, x_title="sets, sorted")


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
