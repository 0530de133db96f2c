"""Data sets and loading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from smoothkit.core.options import thaw
from smoothkit.core.settings import LOADER_KEYS, LoaderSettings

_LESS = (
    "Lower num_worker_per_gpu or prefetch_factor of this data set, or set num_worker_per_gpu: 0, "
    "which needs none."
)
_FULL = f"/dev/shm: is full: data workers hand batches over in it. {_LESS} docker: --shm-size=8g."
_FILES = (
    f"num_worker_per_gpu: data workers hold more files open than allowed. {_LESS} Or raise the "
    "limit: ulimit -n 65536."
)
# A part of what torch raises -> what the user can do. A worker that wrote to full shared memory
# without asking for it first was ended by the system, and no message tells more.
_WORKER_FAILURES = {
    "No space left on device": _FULL,
    "out of shared memory": _FULL,
    "DataLoader worker (pid": (
        "num_worker_per_gpu: a data worker was killed, by somebody or because memory or /dev/shm "
        f"is full. {_LESS} docker: --shm-size=8g."
    ),
    "Too many open files": _FILES,
    "received 0 items of ancdata": _FILES,
}


def build_dataset(dataset_opt: Mapping[str, Any], *, where: str = "datasets") -> Any:
    """The data set of a ``datasets.<phase>`` section; keys of the loader may stand beside.

    Raises:
        OptionError: unknown type or key, missing key, wrong kind of value.
        DataError: its folders or files cannot be used.
    """
    from smoothkit.core.registry import DATASET_REGISTRY
    from smoothkit.core.signature import takes_single_opt

    options = thaw(dataset_opt)
    if "type" in options and takes_single_opt(DATASET_REGISTRY.get(options["type"])):
        return DATASET_REGISTRY.build(options, where=where)
    own = {key: value for key, value in options.items() if key not in LOADER_KEYS}
    return DATASET_REGISTRY.build(own, where=where)


def without_worker_traces(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches; an error of the user's keeps its one line, without the worker's traceback.

    Raises:
        DataError: as the data set raised it, or a worker died or had no memory to share.
    """
    from smoothkit.core.errors import DataError

    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except DataError as error:
            # torch rebuilds it around "Caught DataError in DataLoader worker process 0. ..."
            last = [line for line in str(error).splitlines() if "DataError: " in line]
            raise DataError(last[-1].partition("DataError: ")[2] if last else str(error)) from None
        except (RuntimeError, OSError) as error:
            for sign, message in _WORKER_FAILURES.items():
                if sign in str(error):
                    raise DataError(message) from error
            raise
        yield batch


def build_dataloader(
    dataset: Any,
    dataset_opt: Mapping[str, Any],
    num_gpu: int = 1,
    dist: bool = False,
    sampler: Any = None,
    seed: int | None = None,
    *,
    start: int = 0,
    bad: Mapping[int, str] | None = None,
) -> Any:
    """The loader of a data set, as in BasicSR: endless for ``phase: train``, else one pass.

    Args:
        dataset: what ``build_dataset`` gave.
        dataset_opt: its section, with ``phase`` and the loader's keys.
        num_gpu: more than 0 where batches go to an accelerator.
        dist: this process is one of several; each gets its own share.
        sampler: indices to visit, once, instead of the endless stream.
        seed: of order and augmentation.
        start: number of training samples, of all processes together, to leave out at the start.
        bad: indices known to be unusable, with the reason.
    """
    from smoothkit.core import distributed
    from smoothkit.data.loader import Sampled, SampleStream, eval_loader, once, train_loader

    settings = LoaderSettings.read(dataset_opt)
    rank, world_size = (distributed.rank(), distributed.world_size()) if dist else (0, 1)
    items = Sampled(dataset, seed=seed or 0, bad=bad, on_error=settings.on_error)
    if dataset_opt.get("phase", "train") != "train":
        return eval_loader(items, settings, rank=rank, world_size=world_size, is_cuda=num_gpu > 0)
    if sampler is not None:
        return once(items, sampler, settings, is_cuda=num_gpu > 0)
    stream = SampleStream(
        len(items),
        settings.batch_size_per_gpu,
        seed=seed or 0,
        rank=rank,
        world_size=world_size,
        start=start,
        is_shuffled=settings.use_shuffle,
        enlarge=settings.dataset_enlarge_ratio,
    )
    return train_loader(items, stream, settings, is_cuda=num_gpu > 0)
