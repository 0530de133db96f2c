"""Batches in an order that depends on the seed alone, not on workers, prefetching or ranks.

The training samples of a run form one endless stream: number 0, 1, 2, ... Sample ``s`` belongs to
epoch ``s // n`` and is item ``permutation(seed, epoch)[s % n]``; its augmentation draws from a
generator keyed by ``(seed, s)``. Batches are cut from that stream one after the other, across the
end of an epoch if need be, so every item is visited once an epoch, and a run can go on from any
sample number, with any number of workers.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from smoothkit.core.cpu import usable_cpus
from smoothkit.core.errors import DataError
from smoothkit.core.settings import LoaderSettings
from smoothkit.data.base import ImageDataset, sample_rng

log = logging.getLogger(__name__)

SKIPPED = "skipped"
# A socket's path holds 107 bytes, of which "/pymp-xxxxxxxx/listener-xxxxxxxx" takes 32.
_LONGEST_TMPDIR = 75
# One item of the stream: its index in the data set and its running number.
Key = tuple[int, int]


@dataclass(frozen=True)
class SampleStream:
    """Batch sampler over the endless stream, for one of several processes.

    Args:
        length: items in the data set.
        batch_size: items per batch and process.
        seed: of the permutations.
        rank, world_size: which slice of each global batch is ours.
        start: number of the first sample, of all processes together.
        is_shuffled: visit the items of an epoch in random order.
        enlarge: passes over the data set that make one epoch.
    """

    length: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    start: int = 0
    is_shuffled: bool = True
    enlarge: int = 1

    @property
    def epoch_length(self) -> int:
        """Samples in one epoch."""
        return self.length * self.enlarge

    def key(self, number: int) -> Key:
        """The item that sample ``number`` is."""
        epoch, position = divmod(number, self.epoch_length)
        if self.is_shuffled:
            position = int(_permutation(self.epoch_length, self.seed, epoch)[position])
        return position % self.length, number

    def __iter__(self) -> Iterator[list[Key]]:
        first = self.start + self.rank * self.batch_size
        while True:
            yield [self.key(first + offset) for offset in range(self.batch_size)]
            first += self.batch_size * self.world_size


class Sampled(Dataset[dict[str, Any]]):
    """A data set whose items are asked for by ``Key``, each with randomness of its own.

    Data sets that draw from the global generators (BasicSR's) have those seeded for each sample and
    put back afterwards.

    Args:
        dataset: one of ours, or any with ``__len__`` and ``__getitem__``.
        seed: of the run.
        bad: indices that ``check`` found unusable, with the reason.
        on_error: ``skip`` takes the next usable item instead and reports the reason in the item.
    """

    def __init__(
        self,
        dataset: Any,
        *,
        seed: int = 0,
        bad: Mapping[int, str] | None = None,
        on_error: str = "raise",
    ) -> None:
        self.dataset = dataset
        self.seed = seed
        self.bad = dict(bad or {})
        self.on_error = on_error

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Key | int) -> dict[str, Any]:
        index, number = (key, key) if isinstance(key, int) else key
        if self.on_error == "raise":
            return self._item(index, number)
        if isinstance(key, int):  # one pass over a test set: a neighbour must not count twice
            return self._item_or_reason(index)
        reasons: list[str] = []
        for offset in range(len(self)):
            candidate = (index + offset) % len(self)
            try:
                return {**self._item(candidate, number), SKIPPED: reasons}
            except DataError as error:
                reasons.append(str(error))
        raise DataError(f"{type(self.dataset).__name__}: no item is usable. First: {reasons[0]}")

    def _item_or_reason(self, index: int) -> dict[str, Any]:
        try:
            return self._item(index, index)
        except DataError as error:
            return {SKIPPED: [str(error)]}

    def _item(self, index: int, number: int) -> dict[str, Any]:
        if index in self.bad:
            raise DataError(self.bad[index])
        if isinstance(self.dataset, ImageDataset):
            return self.dataset.get(index, sample_rng(self.seed, number))
        return _foreign_item(self.dataset, index, sample_rng(self.seed, number))


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch: tensors stacked, texts in lists, the reasons of skipped items in one list."""
    skipped = [reason for item in items for reason in item.get(SKIPPED, ())]
    batch: dict[str, Any] = default_collate(
        [{name: value for name, value in item.items() if name != SKIPPED} for item in items]
    )
    return {**batch, SKIPPED: skipped} if skipped else batch


def train_loader(
    dataset: Sampled, stream: SampleStream, settings: LoaderSettings, *, is_cuda: bool = False
) -> DataLoader[dict[str, Any]]:
    """The endless loader of a training set."""
    return _loader(dataset, settings, is_cuda=is_cuda, batch_sampler=stream)


def eval_loader(
    dataset: Sampled,
    settings: LoaderSettings,
    *,
    rank: int = 0,
    world_size: int = 1,
    is_cuda: bool = False,
) -> DataLoader[dict[str, Any]]:
    """One item at a time, in order, every ``world_size``-th from ``rank`` on."""
    own = range(rank, len(dataset), world_size)
    return _loader(dataset, settings, is_cuda=is_cuda, sampler=own, batch_size=1)


def once(
    dataset: Sampled, indices: Iterable[int], settings: LoaderSettings, *, is_cuda: bool = False
) -> DataLoader[dict[str, Any]]:
    """The items that a sampler of torch's kind names, in batches; each draws by its index."""
    size = settings.batch_size_per_gpu
    return _loader(dataset, settings, is_cuda=is_cuda, sampler=indices, batch_size=size)


class _Loader(DataLoader[dict[str, Any]]):
    """torch's loader, over workers that do not listen to SIGTERM (``_start_worker``)."""

    def _get_iterator(self) -> Any:
        if not self.num_workers:
            return super()._get_iterator()
        _keep_sockets_short()
        # Torch's handler would raise wherever this process is when a worker dies, in the middle of
        # a step too. Without it the death is told of when the worker's batch is asked for.
        number = getattr(signal, "SIGCHLD", None)  # Windows has none
        before = signal.getsignal(number) if number else None
        iterator = super()._get_iterator()
        if number and threading.current_thread() is threading.main_thread():
            signal.signal(number, before or signal.SIG_DFL)
        for worker in getattr(iterator, "_workers", ()):
            # Python sends SIGTERM to those still there when the program ends, and then waits.
            worker._popen.terminate = worker._popen.kill
        return iterator


def _loader(
    dataset: Sampled, settings: LoaderSettings, *, is_cuda: bool, **kind: Any
) -> DataLoader[dict[str, Any]]:
    workers = min(settings.num_worker_per_gpu, usable_cpus())
    if workers < settings.num_worker_per_gpu:  # more would only take turns; the items are the same
        asked = settings.num_worker_per_gpu
        log.info("num_worker_per_gpu: %d asked for, %d started: as many CPUs.", asked, workers)
    several: dict[str, Any] = {}
    if workers:
        several = {
            "prefetch_factor": settings.prefetch_factor,
            "persistent_workers": True,
            "multiprocessing_context": settings.start_method,
            "worker_init_fn": _start_worker,
        }
    return _Loader(
        dataset,
        num_workers=workers,
        collate_fn=collate,
        # Elsewhere torch cannot, and warns.
        pin_memory=is_cuda and settings.pin_memory is not False,
        # Its own generator: the loader draws a base seed, which must not move the global one.
        generator=torch.Generator().manual_seed(dataset.seed),
        **several,
        **kind,
    )


def _keep_sockets_short() -> None:
    """Let workers hand batches over where the paths of sockets are short enough.

    Below a long TMPDIR a worker fails unheard, and this process would wait for its batch for ever.

    Raises:
        DataError: the folder in its place cannot be written.
    """
    chosen = tempfile.gettempdir()
    if len(os.fsencode(chosen)) <= _LONGEST_TMPDIR or not Path("/tmp").is_dir():
        return
    tempfile.tempdir = "/tmp"
    try:
        get_temp_dir()  # made once for a process and its workers
    except OSError as error:
        raise DataError(
            f"TMPDIR: must be at most {_LONGEST_TMPDIR} characters long for data workers, got "
            f"'{chosen}', and /tmp cannot be written. Set a shorter one, or num_worker_per_gpu: 0."
        ) from error
    finally:
        tempfile.tempdir = chosen


def _start_worker(_: int) -> None:
    import cv2

    # Ctrl-C, and a SIGTERM that a terminal or Slurm sends to every process, must not take the
    # workers: the loop finishes its iteration first. They end when it tells them to, or is gone.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)  # the workers are the parallelism


@lru_cache(maxsize=2)
def _permutation(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, length)).permutation(length)


def _foreign_item(dataset: Any, index: int, rng: np.random.Generator) -> dict[str, Any]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = int(rng.integers(2**32))
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # not those of devices, which no item draws from
    try:
        item: dict[str, Any] = dataset[index]
        return item
    except DataError:
        raise
    except Exception as error:  # whatever a foreign data set raises, the user needs the item
        name = type(dataset).__name__
        raise DataError(f"{name}: item {index}{_paths(dataset, index)}: {error}") from error
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _paths(dataset: Any, index: int) -> str:
    paths = getattr(dataset, "paths", None)
    try:
        return f" ({paths[index]})" if paths else ""
    except (IndexError, KeyError, TypeError):
        return ""
