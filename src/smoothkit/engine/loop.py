"""The training loop: drives any model with BasicSR's protocol, knows no system."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from tqdm import tqdm

from smoothkit.core import distributed
from smoothkit.core.checkpoints import Resume, prune, save_networks, save_state
from smoothkit.core.errors import DataError, FailedElsewhereError, SmoothkitError, TrainingError
from smoothkit.core.runtime import Folders
from smoothkit.core.seeds import random_state, seed_everything, set_random_state
from smoothkit.data import without_worker_traces
from smoothkit.engine.diagnostics import describe_and_save
from smoothkit.engine.messages import Messages
from smoothkit.engine.refusals import in_one_line
from smoothkit.engine.setup import Run
from smoothkit.engine.signals import Interrupted, StopSignals
from smoothkit.models.guard import NonFiniteError

log = logging.getLogger(__name__)

# At an iteration; asks the function, between images, whether to stop, and returns whether it did.
Validate = Callable[[int, Callable[[], bool]], bool]


@runtime_checkable
class ChecksItsLosses(Protocol):
    """A model that raises ``NonFiniteError`` itself, before any weight changes."""

    def settle(self) -> None:
        """Raise what the last step left to be raised by the next one."""


@dataclass
class Progress:
    """Where a run stands; all of it goes into a checkpoint.

    Args:
        iteration: steps of the optimiser done.
        samples: training samples consumed, of all processes together.
    """

    iteration: int = 0
    samples: int = 0


class Loop:
    """One training run in this process.

    Args:
        run: options and process.
        model: with BasicSR's protocol, and ``snapshot`` and ``restore``.
        loader: the endless loader, standing at ``progress.samples``.
        samples_per_iter: of all processes together.
        epoch_length: samples in one pass over the data.
        total_iter: where to stop.
        progress: where to begin.
        messages: of the first process; None in the others.
        validate: measures the model at an iteration, on the data sets not measured there yet.
        how_to_go_on: the command that does, for messages.
    """

    def __init__(
        self,
        run: Run,
        model: Any,
        loader: Any,
        *,
        samples_per_iter: int,
        epoch_length: int,
        total_iter: int,
        progress: Progress,
        messages: Messages | None,
        validate: Validate,
        how_to_go_on: str = "--auto_resume",
    ) -> None:
        self._run = run
        self._model = model
        self._batches = self._watched(iter(loader))
        self._samples_per_iter = samples_per_iter
        self._epoch_length = epoch_length
        self._total_iter = total_iter
        self.progress = progress
        self._messages = messages
        self._validate = validate
        self._has_stepped = False
        self._how_to_go_on = how_to_go_on
        self._saved_at = progress.iteration
        self._is_whole = True  # between two steps, where model and progress can be saved
        self._last: list[dict[str, Any]] = []
        self._before: list[dict[str, Any]] = []
        self.skipped: set[str] = set()

    @property
    def epoch(self) -> int:
        """The pass over the data that the next sample belongs to, from 0."""
        return self.progress.samples // self._epoch_length

    def run(self) -> int:
        """Train to the end, or until a signal: 0, or the number of that signal.

        Raises:
            TrainingError: a loss is not finite; a diagnostic state was saved.
            DataError: a file cannot be read, or a checkpoint not be written. Where it was not a
                checkpoint, one was saved before.
        """
        # Closing the batches ends the data workers now, not at some later collection of garbage.
        with closing(self._batches), StopSignals() as signals, self._bar() as bar:
            try:
                received = self._train(signals, bar)
            except Exception:
                if self._is_whole:
                    self._save_after_failure()
                raise
            if received:
                log.warning("signal %d: %s", received, self._kept())
        return received

    def _train(self, signals: StopSignals, bar: Any) -> int:
        if self.progress.iteration and (received := self._validate_if_due(signals)):
            return received  # was killed between saving and validating, and is again
        logger = self._run.logger
        while self.progress.iteration < self._total_iter:
            started = time.monotonic()
            if received := self._fetch(signals):
                return received
            self._is_whole = False
            self._iterate(started)
            bar.update()
            if self._is_last or self._is_due(logger.save_checkpoint_freq, logger.unit):
                self.save()
            if self._is_validation_due:
                self._settle()
            self._is_whole = True
            if received := self._validate_if_due(signals):
                return received
        return 0

    def save(self) -> None:
        """Write a checkpoint of where the run stands."""
        self._settle()
        # Every process hands over its random states and what the model keeps for itself there.
        random_states = distributed.gather_to_main(random_state(self._run.runtime.device))
        own: dict[str, Any] = getattr(self._model, "rank_state", dict)()
        rank_states = distributed.gather_to_main(own)
        with distributed.together():
            if self._run.runtime.rank == 0:
                self._write(random_states, rank_states)
        self._saved_at = self.progress.iteration

    def _kept(self) -> str:
        """Save what was trained since the last checkpoint; says so, and how to go on."""
        iteration = self.progress.iteration
        if not iteration:
            return "nothing was trained yet."
        if iteration != self._saved_at:
            self.save()
        return f"saved at iteration {iteration}. Go on with: {self._how_to_go_on}"

    def _save_after_failure(self) -> None:
        try:
            log.error("stopped by the error below: %s", self._kept())
        except SmoothkitError as error:  # must not hide what came first
            log.error("%s", error)

    def _write(
        self, random_states: list[dict[str, Any]], rank_states: list[dict[str, Any]]
    ) -> None:
        snapshot = self._model.snapshot()
        iteration = self.progress.iteration
        save_networks(
            self._folders, snapshot, iteration, safetensors=self._run.logger.save_safetensors
        )
        if iteration == self._total_iter:
            save_networks(self._folders, snapshot, "latest")
        state = {
            "epoch": self.epoch,
            "iter": iteration,
            "networks": list(snapshot.networks),
            "samples": self.progress.samples,
            "seed": self._run.seed,
            "random_states": random_states,
            "rank_states": rank_states,
            **snapshot.training,
        }
        save_state(self._folders, iteration, state)
        prune(self._folders, self._run.logger.keep_checkpoints)

    @property
    def _folders(self) -> Folders:
        folders = self._run.runtime.folders
        assert folders is not None
        return folders

    def _fetch(self, signals: StopSignals) -> int:
        """Wait for the batches of a step, unless a signal comes in a process; its number."""
        with distributed.together(), suppress(Interrupted), signals.interrupting():
            fetched = [next(self._batches) for _ in range(self._run.train.accumulate)]
            self._before, self._last = self._last, fetched
        return self._received(signals)

    def _iterate(self, started: float) -> None:
        iteration = self.progress.iteration + 1
        data_seconds = time.monotonic() - started
        self._model.update_learning_rate(iteration, warmup_iter=self._run.train.warmup_iter)
        for batch in self._last:
            self._model.feed_data(batch)
        is_first = not self._has_stepped
        in_line = in_one_line("the first training step") if is_first else nullcontext()
        with self._naming_the_step(iteration), in_line:
            self._model.optimize_parameters(iteration)
        self._has_stepped = True
        self.progress.iteration = iteration
        self.progress.samples += self._samples_per_iter
        self._refuse_spoilt(iteration)
        self._tell(iteration, (time.monotonic() - started, data_seconds))

    @contextmanager
    def _naming_the_step(self, iteration: int) -> Iterator[None]:
        """Where a loss is not finite, it is so in every process."""
        try:
            yield
        except NonFiniteError as error:
            if error.is_late:
                iteration, self._last = iteration - 1, self._before
            self._fail(iteration, error.names)

    def _settle(self) -> None:
        """Wait for what a GPU says of the last step."""
        if self._has_stepped and isinstance(self._model, ChecksItsLosses):
            with self._naming_the_step(self.progress.iteration):
                self._model.settle()

    def _refuse_spoilt(self, iteration: int) -> None:
        """BasicSR's models do not look at their losses; its logs are numbers already."""
        if isinstance(self._model, ChecksItsLosses):
            return
        losses = self._model.get_current_log()
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if distributed.any_rank(torch.tensor(len(bad))).item():  # the first process knows best
            self._fail(iteration, bad)

    def _tell(self, iteration: int, seconds: tuple[float, float]) -> None:
        if not self._is_due(self._run.logger.print_freq):
            return
        self._settle()
        losses = self._model.get_current_log()  # a collective: in every process
        if self._messages is not None:
            rates = self._model.get_current_learning_rate()
            self._messages.training(iteration, self.epoch, rates, losses, seconds)

    def _fail(self, iteration: int, names: list[str]) -> None:
        """Save the step where a loss is not finite, in those processes, and the networks once."""
        rank = self._run.runtime.rank
        told = distributed.from_main(distributed.gather_to_main(names))
        # Gradients are averaged, so that all processes have what one of them brought in.
        culprits = [r for r, found in enumerate(told) if set(found) - {"gradient", "l_total"}]
        culprits = culprits or [r for r, found in enumerate(told) if found]
        message = ""
        if rank in culprits:
            networks = self._model.snapshot().networks if rank == culprits[0] else {}
            message = describe_and_save(networks, self._last, names, iteration, self._folders, rank)
        if rank == culprits[0]:
            raise TrainingError(message)
        raise FailedElsewhereError(f"process {culprits[0]} failed")

    def _validate_if_due(self, signals: StopSignals) -> int:
        """The number of the signal that broke a validation off, which then is made anew."""
        if not self._is_validation_due:
            return 0
        has_stopped = self._validate(self.progress.iteration, lambda: signals.received > 0)
        return self._received(signals) if has_stopped else 0

    @property
    def _is_validation_due(self) -> bool:
        val = self._run.val
        if not val.val_freq:
            return False
        return self._is_last or self._is_due(val.val_freq, val.unit)

    @property
    def _is_last(self) -> bool:
        return self.progress.iteration == self._total_iter

    def _is_due(self, every: int, unit: str = "iter") -> bool:
        iterations = every * (self._run.runtime.iters_per_epoch if unit == "epoch" else 1)
        return self.progress.iteration % iterations == 0

    def _received(self, signals: StopSignals) -> int:
        if self._run.runtime.world_size == 1:
            return signals.received
        # On the CPU, where no process has to wait for its GPU.
        return int(distributed.any_rank(torch.tensor([signals.received])).item())

    def _watched(self, batches: Iterator[dict[str, Any]]) -> Generator[dict[str, Any], None, None]:
        """The batches, with the reasons of skipped items taken out and noted."""
        for batch in without_worker_traces(batches):
            reasons = set(batch.pop("skipped", ())) - self.skipped
            for reason in sorted(reasons):
                log.warning("skipped: %s", reason)
            self.skipped |= reasons
            yield batch

    def _bar(self) -> Any:
        is_shown = self._messages is not None and sys.stderr.isatty()
        return tqdm(
            total=self._total_iter,
            initial=self.progress.iteration,
            unit="it",
            disable=not is_shown,
            dynamic_ncols=True,
        )


def restore(run: Run, model: Any, resume: Resume) -> Progress:
    """Put model and random states where a checkpoint left them.

    Raises:
        DataError: the checkpoint's networks are not this model's.
    """
    try:
        model.restore(resume.networks, resume.state)
    except (KeyError, ValueError, IndexError, AssertionError) as error:
        raise DataError(
            f"{resume.path}: not a state of this model ({type(error).__name__}: {error}). Give its "
            "weights as path.pretrain_network_g to start from them."
        ) from error
    states = resume.state.get("random_states") or []
    if run.runtime.rank < len(states):
        set_random_state(states[run.runtime.rank], run.runtime.device)
    else:
        log.warning(
            "%s: holds no random states of process %d; seeding anew.", resume.path, run.runtime.rank
        )
        seed_everything(run.seed + run.runtime.rank + resume.state["iter"])
    return Progress(
        iteration=resume.state["iter"],
        samples=resume.state.get("samples", 0),
    )
