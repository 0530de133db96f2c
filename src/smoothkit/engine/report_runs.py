"""What training runs left on disk, read for a report."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.core.files import parse_json
from smoothkit.core.options import OptionFile, read_options
from smoothkit.core.signature import nearest
from smoothkit.engine.report_charts import Point
from smoothkit.engine.tables import Table
from smoothkit.ops.io import read_bytes

_ROOT = Path("experiments")


@dataclass(frozen=True)
class RunRecord:
    """What one training run left on disk.

    Args:
        name: what the page calls it.
        folder: ``experiments/<name>``.
        curves: by (data set, metric) for validation, ("", name) for losses and ``lr``.
        options: its options; None without ``options.yml``.
        environment: log lines on versions, device and data.
        pictures: of each data set, (iteration, file) in order.
        tables: per-image numbers of its test, one for each data set.
    """

    name: str
    folder: Path
    curves: Mapping[tuple[str, str], Sequence[Point]]
    options: OptionFile | None
    environment: Sequence[str]
    pictures: Mapping[str, Sequence[tuple[int, Path]]]
    tables: Sequence[Table]


def read_runs(names: Iterable[str]) -> list[RunRecord]:
    """Each run once, in the order given.

    Args:
        names: folders, or names below ``experiments``.

    Raises:
        DataError: no such run, or one without ``metrics.jsonl``.
        OptionError: an ``options.yml`` that cannot be read.
    """
    folders = list({folder.resolve(): folder for folder in map(_find, names)}.values())
    titles = [folder.resolve().name for folder in folders]
    return [
        _read_run(folder, title if titles.count(title) == 1 else str(folder))
        for folder, title in zip(folders, titles, strict=True)
    ]


def _find(name: str) -> Path:
    """The folder of a run.

    Raises:
        DataError: none, or not that of a training run.
    """
    folder = next((path for path in (Path(name), _ROOT / name) if path.is_dir()), None)
    if folder is None:
        parent = _ROOT if Path(name).name == name else Path(name).parent
        hint = nearest(
            Path(name).name, (path.parent.name for path in parent.glob("*/metrics.jsonl"))
        )
        raise DataError(
            f"{name}: no such experiment. {hint}Give its folder, or its name below {_ROOT}/."
        )
    if not (folder / "metrics.jsonl").is_file():
        raise DataError(f"{folder}: has no metrics.jsonl. Give the folder of a training run.")
    return folder


def _read_run(folder: Path, name: str) -> RunRecord:
    options, place = folder / "options.yml", folder.resolve()
    return RunRecord(
        name,
        folder,
        _curves(folder / "metrics.jsonl"),
        read_options(options) if options.exists() else None,
        _environment(folder),
        _pictures(folder / "visualization"),
        _tables(place.parent.parent / "results" / place.name / "metrics.csv"),
    )


def _curves(path: Path) -> dict[tuple[str, str], list[Point]]:
    """What ``metrics.jsonl`` tells; NaN for null."""
    curves: dict[tuple[str, str], list[Point]] = {}
    for text in _text(path).splitlines():
        try:
            line = parse_json(text.encode("utf-8"))
            iteration = line["iter"]
        except (ValueError, KeyError, TypeError):
            continue  # half a line of a process that was killed, or is writing it
        values = {k: v for k, v in line.items() if k not in ("iter", "epoch", "dataset")}
        for key, value in values.get("val", values).items():
            known = value if isinstance(value, int | float) else math.nan
            point = Point(iteration, known)
            curves.setdefault((line.get("dataset", ""), key), []).append(point)
    return curves


def _environment(folder: Path) -> list[str]:
    """The two lines in which the newest log introduces its process, the data and the plan."""
    logs = sorted(folder.glob("train_*.log"))
    lines = _text(logs[-1]).splitlines() if logs else []
    starts = (
        i for i, line in enumerate(lines) if re.search(r"smoothkit \S+( \(\S+\))?, torch ", line)
    )
    start = next(starts, len(lines))
    return lines[start : start + 2]


def _pictures(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob("*/comparison_*.png")):
        iteration = path.stem.removeprefix("comparison_")
        if iteration.isdecimal():
            found.setdefault(path.parent.name, []).append((int(iteration), path))
    return {dataset: sorted(pictures) for dataset, pictures in found.items()}


def _tables(path: Path) -> list[Table]:
    """The tables of a ``metrics.csv``; none where there is no such file.

    Raises:
        DataError: another kind of table.
    """
    reader = csv.DictReader(_text(path).splitlines() if path.is_file() else [])
    metrics = list(reader.fieldnames or ())[2:]
    tables: dict[str, Table] = {}
    try:
        for row in reader:
            held = tables.setdefault(row["dataset"], Table(row["dataset"], metrics))
            values = {name: float(row[name] or math.nan) for name in metrics}
            held.rows.append({"image": row["image"], **values})
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: is not a table of smoothkit.test. Move it away.") from error
    return list(tables.values())


def _text(path: Path) -> str:
    return read_bytes(path).decode("utf-8", "replace")
