"""Measuring a model on a data set, the images shared out over all processes."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from smoothkit.core import distributed
from smoothkit.core.devices import refuse_device_failure
from smoothkit.core.errors import DataError
from smoothkit.core.files import check_name
from smoothkit.core.runtime import Runtime
from smoothkit.core.seeds import preserved_random_state
from smoothkit.core.settings import ValSettings
from smoothkit.data import without_worker_traces
from smoothkit.engine.fingerprints import combined, fingerprint
from smoothkit.engine.refusals import in_one_line
from smoothkit.engine.tables import Table
from smoothkit.engine.visuals import comparison_row, to_bgr_bytes
from smoothkit.metrics import calculate_metric, needed_images, runs_network
from smoothkit.models.finite import NotFiniteError, finite
from smoothkit.ops.io import write_image

log = logging.getLogger(__name__)

# Key of a row under which fingerprints travel between processes.
_PRINTS = "_fingerprints"
# Keys of a row whose result is not finite, or has too long a name for a file.
_FAILED, _NAMELESS = "_failed", "_nameless"
# Key of a row with the file of the result, and that of the image.
_FILES = "_files"


@dataclass(frozen=True)
class Place:
    """Where the images of one validation go.

    Args:
        folder: images and comparison pictures.
        suffix: put behind the stem of each image's name; empty for none.
    """

    folder: Path
    suffix: str

    def image(self, stem: str) -> Path:
        """The result image of the input called ``stem``."""
        return (
            self.folder / f"{stem}_{self.suffix}.png"
            if self.suffix
            else self.folder / f"{stem}.png"
        )


@dataclass(frozen=True)
class Outcome:
    """One data set measured: the table, and rows (input, output, ground truth, error) to show.

    Args:
        table, rows: whole in the first process, empty in the others.
        has_stopped: broken off in all processes, since one was asked to stop.
        failures: images whose results are not finite: NaN in the table, and no picture.
        nameless: images with a figure, but no picture, whose file's name would be too long.
    """

    table: Table
    rows: dict[str, Tensor]
    has_stopped: bool = False
    failures: tuple[str, ...] = ()
    nameless: tuple[str, ...] = ()


def validate(
    model: Any,
    loader: Any,
    section: Mapping[str, Any],
    settings: ValSettings,
    runtime: Runtime,
    place: Place,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run ``model`` on every image of a data set and measure it.

    Random states are left as they were, so that validating more or less often changes no training.

    Args:
        model: with BasicSR's ``feed_data``, ``test`` and ``get_current_visuals``. Where the visuals
            hold ``saved``, that is written instead of ``result``, which is measured.
        loader: one image at a time, this process's share of them.
        section: ``datasets.<phase>``: its ``name`` and ``color``.
        settings: ``val``.
        runtime: this process.
        place: where images go.
        is_stopping: asked between images.

    Raises:
        DataError: a result has not the size of its ground truth, or two would get one file.
        SmoothkitError: an image cannot be read, or a result not be written; in every process.
    """
    metrics = settings.metrics or {}
    rows: list[dict[str, Any]] = []
    pictures: dict[str, Tensor] = {}
    told: set[str] = set()
    owners: dict[str, str] = {}
    has_stopped = False
    with distributed.together(), preserved_random_state(runtime.device), torch.no_grad():
        for index, data in enumerate(without_worker_traces(_progress(loader, settings, runtime))):
            if has_stopped := is_stopping():
                break
            if "lq" not in data and "skipped" in data:
                log.warning("skipped: %s", " ".join(data["skipped"]))
                continue
            number = index * runtime.world_size + runtime.rank
            source = _source(data, number)
            stem = Path(source).stem.strip() or str(number)
            try:
                with in_one_line("the first image") if not rows else nullcontext():
                    visuals = _visuals(model, data, section)
            except NotFiniteError as error:
                log.error("%s: recorded as nan, no picture is written: %s", stem, error)
                nothing = dict.fromkeys(metrics, math.nan)
                rows.append({"image": stem, "number": number, _FAILED: True, **nothing})
                continue
            except DataError as error:
                raise DataError(f"{stem}: {error}") from error
            except (RuntimeError, MemoryError) as error:
                refuse_device_failure(error, f"validation of {stem}")
                raise
            _refuse_other_size(visuals, stem)
            row = {"image": stem, "number": number, _PRINTS: _fingerprints(metrics, visuals)}
            if settings.save_img:
                target = place.image(stem)
                _refuse_twin(owners, str(target), source)
                row |= {_FILES: (str(target), source), _NAMELESS: not _is_written(visuals, target)}
            rows.append(row | measure(metrics, visuals, stem, told, runtime.device))
            if number < settings.grids:
                pictures[stem] = comparison_row(visuals)
    dataset = str(section.get("name") or "data")
    if distributed.any_rank(torch.tensor(float(has_stopped))).item():
        return Outcome(Table(dataset, list(metrics)), {}, has_stopped=True)
    shares = distributed.gather_to_main((rows, pictures))
    with distributed.together():
        return _merged(dataset, list(metrics), shares)


def _source(data: Mapping[str, Any], number: int) -> str:
    """The file that an image came from; its number where the data set does not tell."""
    paths = data.get("lq_path") or data.get("gt_path") or [str(number)]
    return str(paths[0])


def _refuse_twin(owners: dict[str, str], target: str, source: str) -> None:
    """Refuse a second image whose result would have the file of an earlier one."""
    if target in owners:
        raise DataError(
            f"{source}: its result would replace that of {owners[target]}, {target}. Rename one, "
            "or set val.save_img: false."
        )
    owners[target] = source


def _is_written(visuals: Mapping[str, Tensor], target: Path) -> bool:
    """Write the picture of a result, unless no file can have its name."""
    try:
        check_name(target)
    except DataError as error:
        log.error("no picture is written: %s", error)
        return False
    write_image(target, to_bgr_bytes(visuals.get("saved", visuals["result"])[0]))
    return True


def _visuals(model: Any, data: Mapping[str, Any], section: Mapping[str, Any]) -> dict[str, Tensor]:
    """The images of one test, in RGB."""
    model.feed_data(data)
    model.test()
    visuals = {k: v for k, v in model.get_current_visuals().items() if isinstance(v, Tensor)}
    finite(visuals["result"], model)
    if "gt" not in data:  # BasicSR's models keep that of an earlier image
        visuals.pop("gt", None)
    if section.get("color") == "bgr":
        visuals = {k: v.flip(1) if v.shape[1] == 3 else v for k, v in visuals.items()}
    return visuals


def _refuse_other_size(visuals: Mapping[str, Tensor], stem: str) -> None:
    """A network of another scale than the pairs: it is measured against other contents."""
    if "gt" not in visuals:
        return
    made, wanted = ("x".join(map(str, visuals[key].shape[-2:])) for key in ("result", "gt"))
    if made != wanted:
        raise DataError(
            f"{stem}: the result must have the size of the ground truth, {wanted}, got {made}. "
            "Use a network and a 'scale' that fit the pairs."
        )


def measure(
    metrics: Mapping[str, Any],
    visuals: Mapping[str, Tensor],
    stem: str,
    told: set[str] | None = None,
    device: torch.device | None = None,
) -> dict[str, float]:
    """Each metric of one result; NaN where it cannot be had.

    Args:
        metrics: ``val.metrics``: a section for each name.
        visuals: ``result`` and, where there are, ``gt`` and further images that metrics read, such
            as ``trimap``: (1, C, H, W) in [0, 1], RGB.
        stem: what messages call the image.
        told: missing images of which nothing more is said; new ones are added.
        device: where metrics that run a network do so; by default the images'.

    Raises:
        DataError: the device is out of memory, or failed.
    """
    told = set() if told is None else told
    values = {}
    for name, options in metrics.items():
        needed = needed_images(options)
        if missing := [key for key in needed if key not in visuals]:
            values[name] = math.nan
            if missing[0] not in told:
                told.add(missing[0])
                what = (
                    "%s: the data set gives no '%s' to measure with; recorded as nan. Add those "
                    "images, or remove the metric."
                )
                log.warning(what, name, missing[0])
            continue
        try:
            place = device if runs_network(options) else None
            given = {key: visuals[key][0].to(place) for key in needed}
            result = visuals["result"][0].to(place)
            images = {"img": result, "img2": given.pop("gt", None), **given}
            values[name] = calculate_metric(images, options)
        except (ValueError, ArithmeticError, AssertionError, RuntimeError, MemoryError) as error:
            refuse_device_failure(error, f"{name} of {stem}")
            # BasicSR's NIQE fails on small images; one image must not end the whole test.
            log.warning("%s of %s: %s; recorded as nan.", name, stem, str(error).rstrip("."))
            values[name] = math.nan
    return values


def _merged(dataset: str, metrics: list[str], shares: Sequence[Any]) -> Outcome:
    """The rows and pictures of all processes as one outcome, in the order of the data set."""
    merged = sorted((row for share, _ in shares for row in share), key=lambda row: row["number"])
    order = [row["image"] for row in merged]
    failures = tuple(row["image"] for row in merged if row.pop(_FAILED, False))
    nameless = tuple(row["image"] for row in merged if row.pop(_NAMELESS, False))
    owners: dict[str, str] = {}
    prints: dict[str, dict[str, str]] = {}
    for row in merged:
        del row["number"]
        if _FILES in row:
            _refuse_twin(owners, *row.pop(_FILES))
        for name, value in row.pop(_PRINTS, {}).items():
            prints.setdefault(f"{name}s", {})[row["image"]] = value
    facts = {name: combined(values) for name, values in prints.items()}
    shown = {stem: row for _, share in shares for stem, row in share.items()}
    by_order = {stem: shown[stem] for stem in order if stem in shown}
    table = Table(dataset, metrics, merged, facts)
    return Outcome(table, by_order, failures=failures, nameless=nameless)


def _fingerprints(metrics: Mapping[str, Any], visuals: Mapping[str, Tensor]) -> dict[str, str]:
    """Of the images, such as the trimap, that metrics read besides result and ground truth."""
    further = {key for options in metrics.values() for key in needed_images(options)} - {"gt"}
    return {
        key: fingerprint(visuals[key][0, 0].mul(255).round().byte().numpy())
        for key in sorted(further & set(visuals))
    }


def _progress(loader: Any, settings: ValSettings, runtime: Runtime) -> Any:
    is_shown = runtime.rank == 0 and settings.use_pbar and settings.pbar and sys.stderr.isatty()
    return tqdm(loader, desc="validation", unit="image", disable=not is_shown, leave=False)
