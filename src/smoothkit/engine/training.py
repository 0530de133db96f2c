"""``smoothkit.train``: from an option file to a trained network."""

from __future__ import annotations

import logging
import platform
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from smoothkit.core import distributed
from smoothkit.core.checkpoints import Resume, go_on_from, newest, read
from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.files import write_text
from smoothkit.core.log import setup_logging
from smoothkit.core.made_with import program
from smoothkit.core.runtime import Folders
from smoothkit.core.seeds import seed_everything
from smoothkit.core.settings import LoaderSettings, TrainSettings
from smoothkit.engine.best import Best
from smoothkit.engine.datasets import OpenSet, open_set, phases, refuse_small_images
from smoothkit.engine.folders import Lock, prepare_experiment
from smoothkit.engine.loop import Loop, Progress, restore
from smoothkit.engine.messages import Messages
from smoothkit.engine.setup import Run, open_run, write_resolved
from smoothkit.engine.trial import try_validation
from smoothkit.engine.validation import Place, validate
from smoothkit.engine.visuals import stack_rows, to_bgr_bytes
from smoothkit.metrics import is_higher_better
from smoothkit.models import build_model
from smoothkit.models.optim import schedule_faults
from smoothkit.ops.io import write_image

log = logging.getLogger(__name__)


def train(
    option_path: str | Path,
    *,
    auto_resume: bool = False,
    launcher: str = "none",
    is_debug: bool = False,
    overrides: Sequence[str] = (),
) -> int:
    """Train as an option file says.

    Args:
        option_path: the file.
        auto_resume: go on from the newest whole state of the run of the same name.
        launcher: ``none``, ``pytorch`` or ``slurm``; torchrun is recognised by itself.
        is_debug: a run named ``debug_<name>`` that reports often.
        overrides: ``key:sub=value`` in place of what the file says.

    Returns:
        0, or the number of the signal that stopped it.

    Raises:
        SmoothkitError: anything that the user can put right, in one message.
    """
    setup_logging()
    with distributed.alike(launcher):
        run = open_run(
            option_path, is_train=True, launcher=launcher, overrides=overrides, is_debug=is_debug
        )
    setup_logging(is_main=run.runtime.rank == 0)
    parts = ["python -m smoothkit.train -opt", shlex.quote(str(option_path)), "--auto_resume"]
    parts += ["--debug"] * is_debug + ([f"--launcher {launcher}"] if launcher != "none" else [])
    parts += [f"--force_yml {shlex.join(overrides)}"] if overrides else []
    try:
        return _train(run, launcher, auto_resume=auto_resume, how_to_go_on=" ".join(parts))
    except OptionError as error:
        with distributed.alike(launcher):
            raise run.file.error(error.faults) from error
    finally:
        distributed.stop()


@dataclass(frozen=True)
class Plan:
    """How long a run is, known once the data set is.

    Args:
        samples_per_iter: of all processes together.
        epoch_length: samples in one pass over the data.
        iters_per_epoch: whole iterations in that.
        total_iter: iterations of the run.
    """

    samples_per_iter: int
    epoch_length: int
    iters_per_epoch: int
    total_iter: int

    @classmethod
    def of(cls, train_set: OpenSet, settings: TrainSettings, world_size: int) -> Plan:
        """The plan of a run over ``train_set``."""
        loader = LoaderSettings.read(train_set.section)
        per_iter = loader.batch_size_per_gpu * world_size * settings.accumulate
        epoch_length = len(train_set.dataset) * loader.dataset_enlarge_ratio
        iters_per_epoch = max(1, epoch_length // per_iter)
        total = settings.total_iter or (settings.total_epochs or 0) * iters_per_epoch
        return cls(per_iter, epoch_length, iters_per_epoch, total)


def _train(run: Run, launcher: str, *, auto_resume: bool, how_to_go_on: str) -> int:
    with distributed.alike(launcher):
        train_set = open_set(run, "train")
        val_sets = [open_set(run, key) for key in phases(run, "val")]
    plan = Plan.of(train_set, run.train, run.runtime.world_size)
    _refuse_short_schedule(run, plan)
    run = replace(run, runtime=replace(run.runtime, iters_per_epoch=plan.iters_per_epoch))
    lock = _claim(run)
    try:
        with distributed.alike(launcher):
            resume = _find_resume(run, auto_resume=auto_resume)
            _refuse_finished(resume, plan)
            model = build_model(run.options, replace(run.runtime, is_resumed=resume is not None))
            refuse_small_images(getattr(model, "net", None), val_sets)
            seed_everything(run.seed + run.runtime.rank)
            progress = restore(run, model, resume) if resume else Progress()
        # What the first validation would end in ends the run before it has cost anything.
        for val_set in val_sets if run.val.val_freq else []:
            try_validation(run, model, val_set)
        _open_folders(run, resume if _goes_on_here(run, resume) else None)
        _introduce(run, plan, train_set, progress)
        return _run_loop(run, model, plan, progress, train_set, val_sets, how_to_go_on)
    finally:
        if lock is not None:
            lock.release()


def _run_loop(
    run: Run,
    model: Any,
    plan: Plan,
    progress: Progress,
    train_set: OpenSet,
    val_sets: Sequence[OpenSet],
    how_to_go_on: str,
) -> int:
    messages, best = None, None
    metrics = run.val.metrics or {}
    if run.runtime.rank == 0:
        messages = Messages(
            run.settings.name,
            _folders(run),
            run.logger,
            total_iter=plan.total_iter,
            start_iter=progress.iteration,
            is_higher_better={name: is_higher_better(options) for name, options in metrics.items()},
        )
        best = Best(_folders(run), run.val, safetensors=run.logger.save_safetensors)
    loaders = [(val_set, val_set.loader(run)) for val_set in val_sets]
    loop = Loop(
        run,
        model,
        train_set.loader(run, start=progress.samples),
        samples_per_iter=plan.samples_per_iter,
        epoch_length=plan.epoch_length,
        total_iter=plan.total_iter,
        progress=progress,
        messages=messages,
        validate=partial(_validate_all, run, model, loaders, messages, best),
        how_to_go_on=how_to_go_on,
    )
    try:
        stopped_by = loop.run()
    finally:
        if messages is not None:
            messages.close()
    skipped = set().union(*distributed.gather_to_main(loop.skipped))
    if skipped:
        log.warning("%d items could not be used and were skipped.", len(skipped))
    if not stopped_by:
        log.info("Done: %d iterations. Networks: %s", plan.total_iter, _folders(run).models)
    return stopped_by


def _validate_all(
    run: Run,
    model: Any,
    loaders: Sequence[tuple[OpenSet, Any]],
    messages: Messages | None,
    best: Best | None,
    iteration: int,
    is_stopping: Callable[[], bool],
) -> bool:
    """Measure on each data set that is not measured there yet, and tell; whether that was stopped.

    Raises:
        SmoothkitError: in every process where it fails in one.
    """
    measured = distributed.from_main(messages.measured_at(iteration) if messages else set())
    for val_set, loader in loaders:
        name = str(val_set.section["name"])
        if name in measured:
            continue
        place = Place(_folders(run).visualization / name, str(iteration))
        if hasattr(model, "synchronise"):
            model.synchronise()
        outcome = validate(model, loader, val_set.section, run.val, run.runtime, place, is_stopping)
        if outcome.has_stopped:
            return True
        with distributed.together():
            if messages is None or best is None:
                continue
            # The line last: with it the data set counts as measured, also after a kill.
            if outcome.rows:
                picture = stack_rows(list(outcome.rows.values()))
                write_image(place.folder / f"comparison_{iteration}.png", to_bgr_bytes(picture))
            if val_set is loaders[0][0]:
                best.keep(model, outcome.table, iteration)
            messages.validation(iteration, outcome.table, outcome.rows)
    return False


def _find_resume(run: Run, *, auto_resume: bool) -> Resume | None:
    """The checkpoint to go on from; each process reads it, so that all see the same one."""
    given = run.path.resume_state
    if auto_resume:
        found = newest(_folders(run)) if run.runtime.rank == 0 else None
        given = distributed.from_main(str(found.path) if found else None) or given
        if given is None:
            log.info("--auto_resume: no whole state in %s; starting anew.", _folders(run).states)
    return read(given) if given else None


def _refuse_short_schedule(run: Run, plan: Plan) -> None:
    """A schedule that ends before the run, now that the data say how long the run is."""
    train = run.options["train"]
    section = train.get("scheduler")
    if section is None or "optim_g" not in train or section["type"] == "MultiStepLR":
        return  # that one never ends, and has options of BasicSR's
    every = plan.iters_per_epoch if section.get("unit") == "epoch" else 1
    num_steps = (plan.total_iter - 1) // every
    faults = schedule_faults(section, train["optim_g"], num_steps, "train.scheduler")
    if faults:
        raise OptionError(faults)


def _goes_on_here(run: Run, resume: Resume | None) -> bool:
    """Whether a state is the run's own; else what stands in its folder is of another run."""
    return resume is not None and resume.path.resolve().parent == _folders(run).states.resolve()


def _refuse_finished(resume: Resume | None, plan: Plan) -> None:
    if resume is not None and resume.state["iter"] > plan.total_iter:
        message = (
            f"is {plan.total_iter}, but {resume.path} stands at iteration {resume.state['iter']}. "
            "Raise it, or go on from an earlier state with path.resume_state."
        )
        raise OptionError([Fault("train.total_iter", message)])


def _claim(run: Run) -> Lock | None:
    """The run's folder for this process; the first one claims it for all."""
    with distributed.together():
        return Lock(_folders(run).experiment) if run.runtime.rank == 0 else None


def _open_folders(run: Run, resume: Resume | None) -> None:
    with distributed.together():
        if run.runtime.rank == 0:
            try:
                _write_start(run, resume)
            except OSError as error:
                message = f"{_folders(run).experiment}: cannot be written: {error}"
                raise DataError(message) from error
    _log_to_file(run, "train")


def _write_start(run: Run, resume: Resume | None) -> None:
    folders = _folders(run)
    prepare_experiment(folders, is_resumed=resume is not None)
    if resume is not None:
        go_on_from(folders, resume.path)
    write_resolved(run, folders.experiment)
    if run.file.path.name != "options.yml":
        write_text(folders.experiment / run.file.path.name, run.file.text)


def _log_to_file(run: Run, what: str) -> None:
    file = (
        _folders(run).experiment
        / f"{what}_{run.settings.name}_{time.strftime('%Y%m%d_%H%M%S')}.log"
    )
    setup_logging(is_main=run.runtime.rank == 0, file=file)


def _introduce(run: Run, plan: Plan, train_set: OpenSet, progress: Progress) -> None:
    log.info(
        "%s, torch %s, Python %s; %s, %d process(es), seed %d.",
        program(),
        torch.__version__,
        platform.python_version(),
        run.runtime.device,
        run.runtime.world_size,
        run.seed,
    )
    log.info(
        "%d training items, %d samples an iteration, %d iterations an epoch, %d in all.",
        len(train_set.dataset),
        plan.samples_per_iter,
        plan.iters_per_epoch,
        plan.total_iter,
    )
    if progress.iteration:
        log.info("Going on from iteration %d.", progress.iteration)


def _folders(run: Run) -> Folders:
    assert run.runtime.folders is not None
    return run.runtime.folders
