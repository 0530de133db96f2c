"""Checkpoints of a run: networks and training states, as BasicSR lays them out.

A state is written after the networks that belong to it and removed before them, so a state that is
there is complete.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_json
from smoothkit.core.made_with import made_with
from smoothkit.core.runtime import Folders
from smoothkit.core.weights import load_file, save_file, save_safetensors

log = logging.getLogger(__name__)

# In ``training_states``.
_LINE = "line.json"


@dataclass(frozen=True)
class Snapshot:
    """What a model hands over to be saved.

    Args:
        networks: label (``net_g``) -> ``{'params': state dict, 'params_ema': ..., 'meta': ...}``.
        training: optimisers, schedulers and whatever else the model needs to go on.
    """

    networks: dict[str, dict[str, Any]]
    training: dict[str, Any] = field(default_factory=dict)


def save_networks(
    folders: Folders, snapshot: Snapshot, tag: int | str, *, safetensors: bool = False
) -> None:
    """Write ``models/<label>_<tag>.pth`` for each network, with what it was made with.

    Args:
        tag: the iteration, or ``latest``.
        safetensors: also write the weights for inference as ``.safetensors``.

    Raises:
        DataError: a file could not be written.
    """
    for label, networks in snapshot.networks.items():
        meta = {**networks.get("meta", {}), "made_with": made_with()}
        content = {**networks, "meta": meta}
        save_file(folders.models / f"{label}_{tag}.pth", content)
        if safetensors:
            state = content.get("params_ema", content["params"])
            path = folders.models / f"{label}_{tag}.safetensors"
            save_safetensors(path, state, {"meta": json.dumps(meta)})


def save_state(folders: Folders, iteration: int, state: dict[str, Any]) -> None:
    """Write ``training_states/<iteration>.state``; its networks must have been written before.

    Raises:
        DataError: it could not be written.
    """
    line = [number for number in _line(folders) if number != iteration]
    parent = line[-1] if line else None
    save_file(folders.states / f"{iteration}.state", {**state, "parent": parent})
    _write_line(folders, [*line, iteration])


def go_on_from(folders: Folders, state: Path) -> None:
    """Leave the states behind that were written after ``state``: another line begins there.

    Raises:
        DataError: it could not be noted.
    """
    line = _line(folders)
    own = [number for number in _numbers(folders) if str(number) == state.stem]
    is_known = own and own[0] in line
    _write_line(folders, line[: line.index(own[0]) + 1] if is_known else own)


def prune(folders: Folders, keep: int | None) -> None:
    """Remove all but the ``keep`` newest checkpoints; None keeps all."""
    for path in _oldest_first(folders)[:-keep] if keep else []:
        path.unlink(missing_ok=True)
        for network in folders.models.glob(f"*_{path.stem}.*"):
            if "_best" not in network.stem:
                network.unlink(missing_ok=True)


@dataclass(frozen=True)
class Resume:
    """A whole checkpoint: the state's path and content, and its networks' files by label."""

    path: Path
    state: dict[str, Any]
    networks: dict[str, Any]


def newest(folders: Folders) -> Resume | None:
    """The checkpoint written last of which every file is whole; broken ones give a warning."""
    for path in reversed(_oldest_first(folders)):
        try:
            return read(path, folders.models)
        except DataError as error:
            log.warning("%s Passing over this checkpoint.", error)
    return None


def read(path: str | Path, models: Path | None = None) -> Resume:
    """The checkpoint whose state is at ``path``.

    Args:
        models: folder of its networks; by default the one beside the state's folder.

    Raises:
        DataError: a file is missing or broken.
    """
    path = Path(path)
    state = load_file(path)
    if not isinstance(state, dict) or "iter" not in state:
        raise DataError(f"{path}: not a training state.")
    models = models or path.parent.parent / "models"
    labels = state.get("networks") or sorted(
        file.stem.removesuffix(f"_{path.stem}") for file in models.glob(f"net_*_{path.stem}.pth")
    )
    if not labels:
        raise DataError(f"{models / f'net_g_{path.stem}.pth'}: no such checkpoint.")
    networks = {label: load_file(models / f"{label}_{path.stem}.pth") for label in labels}
    return Resume(path, state, networks)


def _oldest_first(folders: Folders) -> list[Path]:
    """The states: by number those that a run left behind when it went back, then its line."""
    line = _line(folders)
    left = sorted(set(_numbers(folders)) - set(line))
    return [folders.states / f"{number}.state" for number in (*left, *line)]


def _line(folders: Folders) -> list[int]:
    """Iterations of the states that the run goes on from, in the order they were written.

    Neither numbers nor times of files tell that: a run may go back, and files be copied.
    """
    numbers = _numbers(folders)
    try:
        line = json.loads((folders.states / _LINE).read_text("utf-8"))["line"]
        return [int(number) for number in line if number in numbers]
    except (OSError, ValueError, KeyError, TypeError):  # of an older version, or none yet
        return sorted(numbers)


def _write_line(folders: Folders, line: list[int]) -> None:
    write_json(folders.states / _LINE, {"line": line})


def _numbers(folders: Folders) -> list[int]:
    return [int(path.stem) for path in folders.states.glob("*.state") if path.stem.isdigit()]
