"""The data sets of a run, opened and checked before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoothkit.core import distributed
from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.data import build_dataloader, build_dataset
from smoothkit.engine.setup import Run
from smoothkit.ops.io import SUFFIXES, read_header

log = logging.getLogger(__name__)

_SHOWN = 10


@dataclass(frozen=True)
class OpenSet:
    """One ``datasets.<phase>`` section and its data set.

    Args:
        section: the section with ``phase`` and ``scale`` filled in.
        dataset: what it describes.
        bad: indices of items that cannot be used, with the reason.
    """

    section: Mapping[str, Any]
    dataset: Any
    bad: Mapping[int, str]

    def loader(self, run: Run, *, start: int = 0) -> Any:
        """Batches for this process; training ones from sample ``start`` on."""
        runtime = run.runtime
        return build_dataloader(
            self.dataset,
            self.section,
            num_gpu=int(runtime.device.type == "cuda"),
            dist=runtime.world_size > 1,
            seed=run.seed,
            start=start,
            bad=self.bad,
        )


def open_set(run: Run, key: str) -> OpenSet:
    """The data set of ``datasets.<key>``.

    Raises:
        OptionError: its options are wrong.
        DataError: it is empty, or items cannot be used and are not to be skipped; names them.
    """
    section = thaw(run.options["datasets"][key])
    section["phase"] = key.partition("_")[0]
    section.setdefault("name", key)
    where = f"datasets.{key}"
    try:
        dataset = build_dataset(_with_scale(section, run.settings.scale), where=where)
    except KeyError as error:  # BasicSR's data sets look their keys up as they need them
        raise OptionError([Fault(where, f"needs {error}, which is missing.")]) from error
    except (DataError, OSError, AssertionError, ValueError) as error:
        raise DataError(f"{where}: {error}") from error
    if len(dataset) == 0:
        raise DataError(f"{where}: holds no items. Look at its folders.")
    bad = dict(distributed.from_main(_problems(dataset) if distributed.rank() == 0 else []))
    if bad and section.get("on_error") != "skip":
        raise DataError(f"{where}: {_listed(bad)}")
    if len(bad) == len(dataset):
        raise DataError(f"{where}: no item is usable. {_listed(bad)}")
    if bad:
        log.warning("%s: %d of %d items are skipped: %s", where, len(bad), len(dataset),
                    _listed(bad))  # fmt: skip
    return OpenSet(section, dataset, bad)


def refuse_small_images(net: Any, sets: Sequence[OpenSet]) -> None:
    """Refuse images that a network takes no results from, before the first of them is run.

    Images in an lmdb, and those of data sets without a list ``paths``, are refused when their turn
    comes.

    Args:
        net: with its facts in ``io``, or any other.
        sets: those that it will be run on.

    Raises:
        DataError: names them and their sizes.
    """
    io = getattr(net, "io", None)
    if io is None or io.refuses_below <= 1:
        return
    for opened in sets:
        bad: dict[int, str] = {}
        for index, entry in enumerate(getattr(opened.dataset, "paths", ())):
            path = entry.get("lq_path") if isinstance(entry, Mapping) else entry
            if isinstance(path, str) and Path(path).is_file():
                header = read_header(path)
                if fault := io.size_fault(header.height, header.width):
                    bad[index] = f"{path}: {type(net).__name__}: {fault}"
        if bad:
            raise DataError(f"{opened.section['name']}: {_listed(bad)}")


def phases(run: Run, *starts: str) -> list[str]:
    """Keys of ``datasets`` that begin with one of ``starts``, sorted as BasicSR does."""
    return sorted(key for key in run.options["datasets"] if str(key).startswith(starts))


def _with_scale(section: dict[str, Any], scale: int) -> dict[str, Any]:
    """BasicSR's data sets read the scale from their own section."""
    from smoothkit.core.registry import DATASET_REGISTRY
    from smoothkit.core.signature import takes_single_opt

    if takes_single_opt(DATASET_REGISTRY.get(section["type"])):
        return {"scale": scale, **section}
    return section


def _problems(dataset: Any) -> list[tuple[int, str]]:
    check = getattr(dataset, "check", None)
    return list(check()) if check is not None else _header_problems(dataset)


def _header_problems(dataset: Any) -> list[tuple[int, str]]:
    """Items of BasicSR's data sets over folders with a file that is no image, or is not there."""
    is_theirs = any(cls.__module__.startswith("basicsr.") for cls in type(dataset).__mro__)
    if not is_theirs or getattr(dataset, "io_backend_opt", {}).get("type") != "disk":
        return []
    problems = []
    for index, entry in enumerate(getattr(dataset, "paths", ())):
        try:
            for file in entry.values() if isinstance(entry, Mapping) else [entry]:
                if Path(file).suffix.lower() in SUFFIXES:  # OpenCV, with which it reads, knows more
                    read_header(file)
        except DataError as error:
            problems.append((index, str(error)))
    return problems


def _listed(bad: Mapping[int, str]) -> str:
    shown = " ".join(list(bad.values())[:_SHOWN])
    more = f" ... and {len(bad) - _SHOWN} more." if len(bad) > _SHOWN else ""
    return shown + more
