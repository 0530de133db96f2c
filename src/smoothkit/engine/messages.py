"""What a run tells: log lines, ``metrics.jsonl``, TensorBoard."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch import Tensor

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.files import as_json, parse_json, text_bytes, write_text
from smoothkit.core.runtime import Folders
from smoothkit.core.settings import LoggerSettings
from smoothkit.engine.tables import Table

log = logging.getLogger(__name__)


class Messages:
    """Tells the progress of one run; made in its first process only.

    Args:
        name: the run's name.
        folders: where the files go.
        settings: ``logger``.
        total_iter: where the run ends, for the time left.
        start_iter: iteration that it goes on from; what an earlier process told of later ones is
            removed, since they are run again.
        is_higher_better: of each metric of the validation.
    """

    def __init__(
        self,
        name: str,
        folders: Folders,
        settings: LoggerSettings,
        *,
        total_iter: int,
        start_iter: int = 0,
        is_higher_better: Mapping[str, bool] | None = None,
    ) -> None:
        self._name = name
        self._total = total_iter
        self._start_iter = start_iter
        self._start = time.monotonic()
        self._lines = folders.experiment / "metrics.jsonl"
        self._is_higher_better = dict(is_higher_better or {})
        self._best: dict[tuple[str, str], tuple[float, int]] = {}
        self._measured: dict[int, set[str]] = {}
        for told in _kept_until(self._lines, start_iter):
            self._note_measured(told)
        self._board = _tensorboard(folders, settings, name, start_iter)

    def training(
        self,
        iteration: int,
        epoch: int,
        rates: list[float],
        losses: Mapping[str, float],
        seconds: tuple[float, float],
    ) -> None:
        """One line on an iteration; ``seconds`` are those of a whole one and of its data."""
        done = max(iteration - self._start_iter, 1)
        left = (time.monotonic() - self._start) / done * (self._total - iteration)
        lr = ", ".join(f"{rate:.3e}" for rate in rates)
        parts = " ".join(f"{name}: {value:.4e}" for name, value in losses.items())
        log.info(
            "[%s][epoch: %d, iter: %s, lr: (%s)] [eta: %s, time (data): %.3f (%.3f)] %s",
            self._name[:12],
            epoch,
            f"{iteration:,}",
            lr,
            timedelta(seconds=round(max(left, 0))),
            *seconds,
            parts,
        )
        self._append({"iter": iteration, "epoch": epoch, "lr": rates[0], **losses})
        if self._board is not None:
            self._board.add_scalar("lr", rates[0], iteration)
            for name, value in losses.items():
                self._board.add_scalar(f"losses/{name}", value, iteration)

    def validation(self, iteration: int, table: Table, rows: Mapping[str, Tensor]) -> None:
        """One data set measured: a line, the numbers and the pictures."""
        means = {name: values["mean"] for name, values in table.summary().items()}
        told = {"iter": iteration, "dataset": table.dataset, "val": means}
        self._note_measured(told)
        marks = [
            f"best {name} {value:.4f} at {at:,}"
            for (dataset, name), (value, at) in self._best.items()
            if dataset == table.dataset
        ]
        log.info("validation at %s, %s%s", f"{iteration:,}", table.line(),
                 f" [{', '.join(marks)}]" if marks else "")  # fmt: skip
        self._append(told)
        if self._board is None:
            return
        for name, value in means.items():
            self._board.add_scalar(f"metrics/{table.dataset}/{name}", value, iteration)
        for stem, row in rows.items():
            tag = text_bytes(f"{table.dataset}/{stem}").decode("utf-8")
            self._board.add_image(tag, row, iteration)

    def measured_at(self, iteration: int) -> set[str]:
        """Names of the data sets measured there, by this process or one that was killed."""
        return self._measured.get(iteration, set())

    def close(self) -> None:
        """Flush and close what is open."""
        if self._board is not None:
            self._board.close()

    def _append(self, values: Mapping[str, Any]) -> None:
        try:
            with open(self._lines, "ab") as file:
                file.write(text_bytes(as_json(values) + "\n"))
        except OSError as error:
            raise DataError(f"{self._lines}: cannot be written: {error.strerror}") from error

    def _note_measured(self, told: Mapping[str, Any]) -> None:
        """Keep what was measured when, and each metric's best; ``metrics.jsonl`` is the memory."""
        if "val" in told:
            self._measured.setdefault(told["iter"], set()).add(told["dataset"])
        for name, value in told.get("val", {}).items():
            is_higher = self._is_higher_better.get(name, True)
            held = self._best.get((told["dataset"], name))
            is_number = value is not None and math.isfinite(value)
            if is_number and (held is None or (value > held[0]) == is_higher):
                self._best[told["dataset"], name] = (value, told["iter"])


def _kept_until(path: Path, iteration: int) -> list[dict[str, Any]]:
    """What the file tells up to ``iteration``; the rest is removed from it."""
    kept = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            told = parse_json(line)
            if told["iter"] <= iteration:
                kept.append(told)
        except (ValueError, KeyError, TypeError):
            continue  # half a line from a process that was killed
    write_text(path, "".join(as_json(told) + "\n" for told in kept))
    return kept


def _tensorboard(folders: Folders, settings: LoggerSettings, name: str, start_iter: int) -> Any:
    wandb = settings.wandb or {}
    if wandb.get("project"):
        _start_wandb(wandb, name)
    if not settings.use_tb_logger and not wandb.get("project"):
        return None
    from torch.utils.tensorboard import SummaryWriter

    purge = start_iter + 1 if start_iter else None
    return SummaryWriter(str(folders.tb_logger), purge_step=purge)


def _start_wandb(options: Mapping[str, Any], name: str) -> None:
    try:
        import wandb
    except ModuleNotFoundError as error:
        message = "needs the package wandb: pip install wandb, or remove the key."
        raise OptionError([Fault("logger.wandb", message)]) from error
    wandb.init(
        project=options["project"],
        name=name,
        id=options.get("resume_id"),
        resume="allow",
        sync_tensorboard=True,
    )
