"""One step of training and one item of every other set, made and thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smoothkit.core.devices import is_out_of_memory, refuse_device_failure
from smoothkit.core.errors import Fault, OptionError, SmoothkitError
from smoothkit.core.runtime import Folders, Runtime
from smoothkit.core.seeds import preserved_random_state
from smoothkit.core.settings import LoaderSettings, PathSettings
from smoothkit.data import without_worker_traces
from smoothkit.engine.datasets import OpenSet
from smoothkit.engine.refusals import in_one_line
from smoothkit.engine.setup import Run
from smoothkit.engine.validation import Place, validate
from smoothkit.models import build_model

# On the CPU, where a photograph takes minutes, images are cut to this side. What is cut off is a
# multiple of the second number: a network that needs even sides, say, still fails at odd ones.
_LARGEST_SIDE, _STEP = 128, 32


def try_item(run: Run, key: str, opened: OpenSet, faults: list[Fault]) -> bool:
    """Whether the first item of a data set can be read; adds what is wrong to ``faults``."""
    try:
        with in_one_line("reading an item", f"datasets.{key}"):
            next(without_worker_traces(_in_this_process(opened).loader(run)))
    except SmoothkitError as error:
        faults += _faults_of(error, f"datasets.{key}")
        return False
    return True


def try_step(run: Run, opened: Mapping[str, OpenSet], faults: list[Fault]) -> list[str]:
    """Make one training step with a small batch, then validate one image of each validation set.

    Args:
        run: as it would train; it writes nothing that stays.
        opened: ``train``, and the validation sets by their keys, which begin with ``val``.
        faults: gets what keeps the step or the validation from being made.

    Returns:
        What came of it, line by line.
    """
    small = _in_this_process(opened["train"], batch_size=_least_divisor(opened["train"]))
    with tempfile.TemporaryDirectory() as folder, preserved_random_state(run.runtime.device):
        paths = PathSettings(experiments_root=folder, results_root=folder, tb_logger_root=folder)
        folders = Folders.of(run.settings.name, paths)
        run = replace(run, runtime=replace(run.runtime, is_train=True, folders=folders))
        try:
            with in_one_line("a training step"):
                model = build_model(run.options, run.runtime)
                losses = _losses_of_a_step(run, model, small)
        except SmoothkitError as error:
            faults += _faults_of(error, "")
            return ["a training step: failed"]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                refuse_device_failure(error, "a training step")
                raise
            return ["a training step: not tried, for it needs more memory than there is here"]
        lines = [f"a training step: {_listed(losses)}"]
        for key, val_set in opened.items():
            if key.startswith("val") and run.val.val_freq:
                lines.append(f"datasets.{key}: {_tried(run, model, key, val_set, faults)}")
    return lines


def try_validation(run: Run, model: Any, val_set: OpenSet) -> dict[str, float]:
    """Measure a model on the first usable image of a validation set, as a run will; write nothing.

    On an accelerator it is the whole image. On the CPU it is a part of at most 128 pixels a side,
    which does not try memory, or tiles and metrics that only larger images reach.

    Returns:
        Metric -> value; empty where this process has no image of the set.

    Raises:
        SmoothkitError: what the first validation would end in.
    """
    items = _first_item(_in_this_process(val_set).loader(run), run.runtime)
    settings = replace(run.val, save_img=False, grids=0, use_pbar=False)
    nowhere = Place(Path(), "")
    table = validate(model, items, val_set.section, settings, run.runtime, nowhere).table
    return {name: row[name] for row in table.rows[:1] for name in table.metrics}


def _tried(run: Run, model: Any, key: str, val_set: OpenSet, faults: list[Fault]) -> str:
    limit = f" of at most {_LARGEST_SIDE} pixels a side" if run.runtime.device.type == "cpu" else ""
    what = f"one image{limit}"
    try:
        return f"{what}: {_listed(try_validation(run, model, val_set)) or 'no metrics'}"
    except SmoothkitError as error:
        if error.__cause__ is not None and is_out_of_memory(error.__cause__):
            return f"{what}: not tried, for it needs more memory than there is here"
        faults += [replace(f, where=f.where or f"datasets.{key}") for f in _faults_of(error, "")]
        return f"{what}: failed"


def _first_item(loader: Any, runtime: Runtime) -> Iterator[dict[str, Any]]:
    for item in loader:
        if "skipped" not in item:
            yield _part_of(item) if runtime.device.type == "cpu" else item
            return


def _part_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """The middle of all images of a batch; the whole where they do not fit together."""
    images = {k: v for k, v in item.items() if isinstance(v, Tensor) and v.ndim >= 4}
    if "lq" not in images:
        return dict(item)
    sides = torch.tensor(images["lq"].shape[-2:])
    excess = (sides - _LARGEST_SIDE).clamp(min=0)
    kept = sides + -excess // _STEP * _STEP  # rounded down, away from zero
    start = (sides - kept) // 2
    parts = {}
    for name, image in images.items():
        scale, rest = divmod(image.shape[-1], int(sides[1]))
        if rest or image.shape[-2] != scale * int(sides[0]):
            return dict(item)
        top, left, bottom, right = (scale * torch.cat([start, start + kept])).tolist()
        parts[name] = image[..., top:bottom, left:right]
    return {**item, **parts}


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _losses_of_a_step(run: Run, model: Any, train_set: OpenSet) -> Mapping[str, float]:
    model.update_learning_rate(1, warmup_iter=run.train.warmup_iter)
    batches = without_worker_traces(train_set.loader(run))
    for _ in range(run.train.accumulate):
        model.feed_data(next(batches))
    model.optimize_parameters(1)
    losses: Mapping[str, float] = model.get_current_log()
    return losses


def _in_this_process(opened: OpenSet, *, batch_size: int = 1) -> OpenSet:
    section = {**opened.section, "num_worker_per_gpu": 0, "batch_size_per_gpu": batch_size}
    return replace(opened, section=section)


def _least_divisor(opened: OpenSet) -> int:
    """The smallest batch above 1 that a pool of pairs takes as it takes the whole one."""
    size = LoaderSettings.read(opened.section).batch_size_per_gpu
    return next((number for number in range(2, size) if size % number == 0), size)


def _faults_of(error: SmoothkitError, where: str) -> list[Fault]:
    if isinstance(error, OptionError):
        return error.faults
    return [Fault.of(where, error)]
