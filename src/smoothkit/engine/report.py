"""A page that shows training runs side by side, made from the files that they wrote."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import yaml

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.html import details, grid, page, section, table
from smoothkit.core.options import thaw
from smoothkit.engine.report_charts import STYLE, Line, Point, line_chart
from smoothkit.engine.report_runs import RunRecord
from smoothkit.engine.tables import Table
from smoothkit.engine.visuals import embedded
from smoothkit.metrics import is_higher_better
from smoothkit.ops.io import read_image

T = TypeVar("T")
log = logging.getLogger(__name__)

_MAX_PICTURES = 8
_PICTURE_WIDTH, _PICTURE_HEIGHT = 640, 1280
_MAX_ROWS = 50
_NOTHING = "-"
_LR = ("", "lr")


def report(runs: Sequence[RunRecord]) -> str:
    """The page as HTML that needs no other file."""
    directions = _directions(runs)
    environment = [[run.name, line] for run in runs for line in run.environment]
    images = (_image_table(run, each, directions) for run in runs for each in run.tables)
    return page(
        f"Report: {', '.join(run.name for run in runs)}",
        section("Summary", _summary(runs, directions)),
        section("Curves", _charts(runs)),
        section("Validation: input, output; where known, ground truth and error", *_strips(runs)),
        section("Options", _differences(runs), *map(_full_options, runs)),
        section("Environment", table(["run", "log"], environment) if environment else ""),
        section("Test images", *images),
        style=STYLE + "th, td { white-space: nowrap; }",
    )


def evenly_spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` (2 or more) of the items, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _directions(runs: Iterable[RunRecord]) -> dict[str, bool]:
    """Whether a greater value is better, of each metric in the options."""
    directions: dict[str, bool] = {}
    for run in runs:
        val = (run.options.data.get("val") if run.options else None) or {}
        for name, options in (val.get("metrics") or {}).items():
            # A metric that is not to be had here any more is no reason to show nothing.
            with suppress(OptionError, KeyError):
                directions.setdefault(name, is_higher_better(options))
    return directions


def _summary(runs: Sequence[RunRecord], directions: Mapping[str, bool]) -> str:
    """Quantities below each other, a column for each run."""
    ends = [[curve[-1].x for curve in run.curves.values()] for run in runs]
    rows = [["last iteration", *(f"{max(end):,}" if end else _NOTHING for end in ends)]]
    for key in _curve_keys(runs):
        curves = [run.curves.get(key, ()) for run in runs]
        dataset, name = key
        form = "{:.4f} at {:,}" if dataset else "{:.4g}"
        if dataset:
            is_higher = directions.get(name, True)
            best = [_told(_best(curve, is_higher), form) for curve in curves]
            rows.append([f"{_title(key)}, {'highest' if is_higher else 'lowest'}", *best])
        rows.append([f"{_title(key)}, last", *(_told(curve[-1:], form) for curve in curves)])
    return table(["", *(run.name for run in runs)], rows)


def _best(curve: Sequence[Point], is_higher: bool) -> list[Point]:
    """The best point, the first of several; none where no value is finite."""
    finite = [point for point in curve if math.isfinite(point.y)]
    pick = max if is_higher else min
    return [pick(finite, key=lambda point: point.y)] if finite else []


def _told(points: Sequence[Point], form: str) -> str:
    return "".join(form.format(y, x) for x, y in points if math.isfinite(y)) or _NOTHING


def _charts(runs: Sequence[RunRecord]) -> str:
    """Losses, learning rate, metrics; a chart each, with all runs."""
    charts = []
    for key in _curve_keys(runs):
        numbered = [(number, run) for number, run in enumerate(runs) if key in run.curves]
        lines = [Line(run.name, number, run.curves[key]) for number, run in numbered]
        charts.append(line_chart(_title(key), lines, is_loss=not key[0] and key != _LR))
    note = "<p>A long loss is drawn averaged, with the range of its values faint behind.</p>"
    return note + grid(charts, width="22rem") if any(charts) else ""


def _title(key: tuple[str, str]) -> str:
    return ": ".join(filter(None, key))


def _keys(mappings: Iterable[Mapping[T, object]]) -> list[T]:
    """Keys of all, each once, in the order in which they first come."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _curve_keys(runs: Iterable[RunRecord]) -> list[tuple[str, str]]:
    """Losses, then the learning rate, then the metrics."""
    return sorted(_keys(run.curves for run in runs), key=lambda key: (key[0] != "", key == _LR))


def _strips(runs: Sequence[RunRecord]) -> Iterator[str]:
    """For each data set and run, some pictures over time."""
    for dataset in _keys(run.pictures for run in runs):
        for run in runs:
            shown = evenly_spread(run.pictures.get(dataset, ()), _MAX_PICTURES)
            figures = [_picture(path, f"iteration {iteration:,}") for iteration, path in shown]
            if any(figures):
                heading = f"<h3>{escape(dataset)}: {escape(run.name)}</h3>"
                yield heading + grid(figures, width="20rem")


def _picture(path: Path, caption: str) -> str:
    """A comparison, made small; empty where the file cannot be used."""
    try:
        return embedded(read_image(path), caption, (_PICTURE_WIDTH, _PICTURE_HEIGHT))
    except DataError as error:
        log.warning("left out: %s", error)
        return ""


def _differences(runs: Sequence[RunRecord]) -> str:
    """The options that are not the same in all runs that have some."""
    known = {run.name: _flat(run.options.data) for run in runs if run.options}
    if len(known) < 2:
        return ""
    keys = sorted(key for key in _keys(known.values()) if key != "name")
    rows = [[key, *(flat.get(key, _NOTHING) for flat in known.values())] for key in keys]
    different = [row for row in rows if len(set(row[1:])) > 1]
    if not different:
        return "<p>All runs have the same options.</p>"
    return table(["differs", *known], different)


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted key -> value, in one line of YAML."""
    flat: dict[str, str] = {}
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            text = yaml.safe_dump(thaw(value), default_flow_style=True, allow_unicode=True)
            flat[f"{prefix}{key}"] = " ".join(text.removesuffix("...\n").split())
    return flat


def _full_options(run: RunRecord) -> str:
    if run.options is None:
        return ""
    return details(f"all options of {run.name}", f"<pre>{escape(run.options.text)}</pre>")


def _image_table(run: RunRecord, images: Table, directions: Mapping[str, bool]) -> str:
    """The worst images, then the best ones; by the first metric."""
    if not images.metrics:
        return ""
    metric = images.metrics[0]
    order = images.worst_first(metric, is_higher_better=directions.get(metric, True))
    rows = [list(images.rows[index].values()) for index in order]
    left_out = len(rows) - _MAX_ROWS
    if left_out > 0:
        empty = [""] * len(images.metrics)
        rows[_MAX_ROWS // 2 : -(_MAX_ROWS // 2)] = [[f"({left_out} images left out)", *empty]]
    note = f"<p>Worst {escape(metric)} first.</p>"
    return details(f"{run.name}, {images.line()}", note + table(["image", *images.metrics], rows))
