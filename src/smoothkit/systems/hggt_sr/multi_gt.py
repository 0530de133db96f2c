"""Results measured against all ground truths that annotators called positive."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from smoothkit.core.devices import refuse_device_failure
from smoothkit.core.errors import DataError
from smoothkit.core.parallel import in_threads
from smoothkit.data.store import image_files
from smoothkit.ops.io import read_image
from smoothkit.ops.label_votes import NAMES, POSITIVE
from smoothkit.ops.means import mean_of_finite, num_left_out
from smoothkit.systems.hggt_sr.labels import Labels
from smoothkit.systems.hggt_sr.pictures import Pictures

# From a result and its ground truths, (H, W, 3) BGR, to values by metric, one for each of them.
Measure = Callable[[np.ndarray, Sequence[np.ndarray]], Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class SetResult:
    """One result against its positives.

    Args:
        name: of the set.
        labels: version -> effective label.
        values: metric -> version -> value.
    """

    name: str
    labels: Mapping[str, str]
    values: Mapping[str, Mapping[str, float]]

    def mean(self, metric: str) -> float:
        """Over the positives that the result does not equal."""
        return mean_of_finite(self.values[metric].values())


@dataclass
class Outcome:
    """A folder of results.

    Args:
        title: name of the folder.
        metrics: in the order of the report.
        sets: what was measured, by name.
        skipped: what could not be, a line each.
    """

    title: str
    metrics: Sequence[str]
    sets: list[SetResult] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def mean(self, metric: str) -> float:
        """Mean over the sets of their means."""
        return mean_of_finite(s.mean(metric) for s in self.sets)

    def num_left_out(self, metric: str) -> int:
        """How many values the means leave out: those of results that equal their ground truth."""
        return num_left_out(v for s in self.sets for v in s.values[metric].values())

    def left_out_lines(self) -> list[str]:
        """What to say of that, a line for each metric that it happened to."""
        counts = {metric: self.num_left_out(metric) for metric in self.metrics}
        return [
            f"{metric.upper()}: {count} infinite values left out of the means"
            for metric, count in counts.items()
            if count
        ]


def multi_gt(
    restored: str | Path,
    gts: str | Path,
    labels: Labels,
    measure: Measure,
    *,
    metrics: Sequence[str],
    suffix: str | None = None,
    title: str | None = None,
    workers: int | None = 1,
) -> Iterator[tuple[int, int, Outcome]]:
    """Measure the results of a folder; yields how many of how many are done.

    Args:
        restored: folder of ``<set>_<suffix>.png`` or ``<set>.png``.
        gts: folder of ``01/<set>_01.png``, ...
        labels: of the sets.
        measure: what is measured.
        metrics: its names.
        suffix: behind the names of results; ~: what stands behind the last underscore, where a
            name is not that of a set itself.
        title: of the outcome; ~: the folder's name.
        workers: sets at a time; None for one for each usable CPU.

    Raises:
        DataError: a folder is missing or empty, sets of two ranges have one name, or the device
            that measures failed or has too little memory.

    Source: HGGT (arXiv 2303.13069), published evaluation.
    """
    folder = os.path.normpath(restored)
    outcome = Outcome(title or Path(folder).name, metrics)
    pictures = Pictures(gts, option="--gts")
    rows = _rows_by_name(labels)
    names = [path.name for path in image_files(folder)]
    owners: dict[str, str] = {}

    def finish(file: str) -> SetResult | str | Exception:
        try:
            path = Path(folder) / file
            return _of_set(path, pictures, labels, rows, measure, suffix)
        except DataError as error:
            return str(error)
        except (RuntimeError, MemoryError) as error:  # raised below, where the file is known
            return error

    for number, found in enumerate(in_threads(finish, names, workers), 1):
        if isinstance(found, Exception):
            refuse_device_failure(found, os.path.join(folder, names[number - 1]))
            raise found
        if isinstance(found, str):
            outcome.skipped.append(found)
        elif (first := owners.setdefault(found.name, names[number - 1])) != names[number - 1]:
            path = os.path.join(folder, names[number - 1])
            outcome.skipped.append(f"{path}: is of the set of {first}. Move one away.")
        else:
            outcome.sets.append(found)
        if number == len(names):
            outcome.skipped += _missing(folder, names, labels, rows, suffix)
        yield number, len(names), outcome


def _missing(
    folder: str,
    names: Sequence[str],
    labels: Labels,
    rows: Mapping[str, int],
    suffix: str | None,
) -> list[str]:
    """Sets with a positive of which the folder has no result, a line each."""
    held = {_set_name(Path(name).stem, suffix, rows) for name in names}
    return [
        f"{folder}: has no result of the set '{name}'."
        for name, row in rows.items()
        if name not in held and POSITIVE in labels.codes[row].tolist()
    ]


def _rows_by_name(labels: Labels) -> dict[str, int]:
    """Row of each set by its name without a range."""
    rows: dict[str, int] = {}
    for row, name in enumerate(labels.names):
        own = name.rpartition("/")[2]
        if own in rows:
            raise DataError(f"labels: {labels.names[rows[own]]} and {name} cannot be told apart.")
        rows[own] = row
    return rows


def _of_set(
    path: Path,
    pictures: Pictures,
    labels: Labels,
    rows: Mapping[str, int],
    measure: Measure,
    suffix: str | None,
) -> SetResult:
    name = _set_name(path.stem, suffix, rows)
    if name is None:
        raise DataError(f"{path}: its name does not end in '_{suffix}'.")
    if name not in rows:
        raise DataError(
            f"{path}: no labels are called '{name}'. Name results <set>.png or <set>_<suffix>.png."
        )
    row = rows[name]
    words = {
        version: NAMES[code].capitalize()
        for version, code in zip(labels.versions, labels.codes[row].tolist(), strict=True)
    }
    positives = [
        version
        for version, code in zip(labels.versions, labels.codes[row].tolist(), strict=True)
        if code == POSITIVE
    ]
    if not positives:
        raise DataError(f"{path}: its set has no positive ground truth.")
    result = read_image(path, alpha="drop")
    truths = [pictures.read(labels.names[row], v, alpha="drop") for v in positives]
    for version, truth in zip(positives, truths, strict=True):
        if truth.shape != result.shape:
            size, wanted = result.shape[:2], truth.shape[:2]
            raise DataError(
                f"{path}: must have the size of {name}_{version}, {wanted[0]}x{wanted[1]}, "
                f"got {size[0]}x{size[1]}."
            )
    try:
        values = measure(result, truths)
    except (AssertionError, ValueError) as error:  # such as of a small image
        raise DataError(f"{path}: cannot be measured: {error}") from error
    named = {
        metric: dict(zip(positives, numbers, strict=True)) for metric, numbers in values.items()
    }
    return SetResult(name, words, named)


def _set_name(stem: str, suffix: str | None, known: Container[str]) -> str | None:
    """The set that a result is of; None where its name does not end in the suffix."""
    if suffix is None:
        is_plain = stem in known or "_" not in stem
        return stem if is_plain else stem.rpartition("_")[0]
    return stem.removesuffix(f"_{suffix}") if stem.endswith(f"_{suffix}") else None


def text_report(outcome: Outcome, heading: str, dataset: str | None = None) -> str:
    """The text file that the published scripts write.

    Args:
        heading: the metrics' names as they stand there, such as ``PSNR/SSIM``.
        dataset: name of the folder of results; ~: the outcome's title.
    """
    lines = ["", f"{heading} for testing dataset: {dataset or outcome.title}."]
    for found in outcome.sets:
        words = " ".join(f"{version}:{word}" for version, word in found.labels.items())
        lines.append(f"{found.name} {words}")
        versions = next(iter(found.values.values()))
        lines += [
            " ".join(
                [version, *(f"{m.upper()}:{found.values[m][version]:.4f}" for m in outcome.metrics)]
            )
            for version in versions
        ]
        lines.append(_averages(outcome.metrics, found.mean))
    left_out = [f"left out: {len(outcome.skipped)}"] if outcome.skipped else []
    return "\n".join([*lines, all_line(outcome), *outcome.left_out_lines(), *left_out]) + "\n"


def all_line(outcome: Outcome) -> str:
    """The last line: means over all sets."""
    return _averages(outcome.metrics, outcome.mean, " all")


def _averages(metrics: Sequence[str], mean: Callable[[str], float], what: str = "") -> str:
    return " ".join(f"{metric.upper()}-avg{what}:{mean(metric):.4f}" for metric in metrics)
