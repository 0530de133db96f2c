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
from smoothkit.core.runtime import Folders
from smoothkit.core.weights import load_file, save_file, save_safetensors

log = logging.getLogger(__name__)


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
    """Write ``models/<label>_<tag>.pth`` for each network.

    Args:
        tag: the iteration, or ``latest``.
        safetensors: also write the weights for inference as ``.safetensors``.

    Raises:
        DataError: a file could not be written.
    """
    for label, content in snapshot.networks.items():
        save_file(folders.models / f"{label}_{tag}.pth", content)
        if safetensors:
            state = content.get("params_ema", content["params"])
            meta = {"meta": json.dumps(content.get("meta", {}))}
            save_safetensors(folders.models / f"{label}_{tag}.safetensors", state, meta)


def save_state(folders: Folders, iteration: int, state: dict[str, Any]) -> None:
    """Write ``training_states/<iteration>.state``; its networks must have been written before.

    Raises:
        DataError: it could not be written.
    """
    save_file(folders.states / f"{iteration}.state", state)


def prune(folders: Folders, keep: int | None) -> None:
    """Remove all but the ``keep`` newest checkpoints; None keeps all."""
    # By time, not by number: a run that went back to an earlier state keeps its own checkpoints.
    states = sorted(_states(folders), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in states[keep:] if keep else []:
        path.unlink(missing_ok=True)
        for network in folders.models.glob(f"*_{path.stem}.*"):
            network.unlink(missing_ok=True)


@dataclass(frozen=True)
class Resume:
    """A whole checkpoint: the state's path and content, and its networks' files by label."""

    path: Path
    state: dict[str, Any]
    networks: dict[str, Any]


def newest(folders: Folders) -> Resume | None:
    """The newest checkpoint of which every file is whole; broken ones are passed over aloud."""
    for path in sorted(_states(folders), key=lambda path: int(path.stem), reverse=True):
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


def _states(folders: Folders) -> list[Path]:
    return [path for path in folders.states.glob("*.state") if path.stem.isdigit()]
