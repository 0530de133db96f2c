"""One step of training and one item of every other set, made and thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace

from smoothkit.core.errors import Fault, OptionError, SmoothkitError
from smoothkit.core.runtime import Folders
from smoothkit.core.seeds import preserved_random_state
from smoothkit.core.settings import LoaderSettings, PathSettings
from smoothkit.data import without_worker_traces
from smoothkit.engine.datasets import OpenSet
from smoothkit.engine.refusals import in_one_line
from smoothkit.engine.setup import Run
from smoothkit.models import build_model


def try_item(run: Run, key: str, opened: OpenSet, faults: list[Fault]) -> None:
    """Read the first item of a data set, adding what is wrong to ``faults``."""
    try:
        with in_one_line("reading an item", f"datasets.{key}"):
            next(without_worker_traces(_in_this_process(opened).loader(run)))
    except SmoothkitError as error:
        faults += _faults_of(error, f"datasets.{key}")


def try_step(run: Run, train_set: OpenSet, faults: list[Fault]) -> str:
    """Make one training step with a small batch, adding what is wrong to ``faults``.

    Args:
        run: as it would train; it writes nothing that stays.
        train_set: ``datasets.train``.
        faults: gets what keeps the step from being made.

    Returns:
        What came of it.
    """
    small = _in_this_process(train_set, batch_size=_least_divisor(train_set))
    with tempfile.TemporaryDirectory() as folder, preserved_random_state(run.runtime.device):
        paths = PathSettings(experiments_root=folder, results_root=folder, tb_logger_root=folder)
        folders = Folders.of(run.settings.name, paths)
        runtime = replace(run.runtime, is_train=True, folders=folders)
        try:
            with in_one_line("a training step"):
                losses = _losses_of_a_step(replace(run, runtime=runtime), small)
        except SmoothkitError as error:
            faults += _faults_of(error, "")
            return "a training step: failed"
        except (RuntimeError, MemoryError):
            return "a training step: not tried, for it needs more memory than there is here"
    return f"a training step: {', '.join(f'{name} {loss:.4g}' for name, loss in losses.items())}"


def _losses_of_a_step(run: Run, train_set: OpenSet) -> Mapping[str, float]:
    model = build_model(run.options, run.runtime)
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
