"""The network that did best so far, beside the checkpoints that come and go."""

from __future__ import annotations

import logging
import math
import re
from typing import Any

from smoothkit.core.checkpoints import Snapshot, save_networks
from smoothkit.core.errors import DataError
from smoothkit.core.runtime import Folders
from smoothkit.core.settings import ValSettings
from smoothkit.core.weights import load_file, network_meta
from smoothkit.engine.tables import Table
from smoothkit.metrics import is_higher_better

log = logging.getLogger(__name__)

_LABEL = "net_g"


def best_tags(settings: ValSettings) -> dict[str, str]:
    """Metrics by which the best network is kept -> what stands behind ``net_g_`` in its file."""
    chosen = settings.save_best
    if chosen is False:
        return {}
    if isinstance(chosen, list):
        return {name: "best_" + re.sub(r"[^\w.-]", "_", name) for name in chosen}
    name = chosen or next(iter(settings.metrics or {}), None)
    return {name: "best"} if name else {}


class Best:
    """Writes ``models/net_g_best.pth`` whenever a validation is better than all before.

    The file itself remembers the figure, so that a run that goes on, or back, loses none.

    Args:
        folders: of the run.
        settings: ``val``.
        safetensors: also write the weights for inference as ``.safetensors``.
    """

    def __init__(self, folders: Folders, settings: ValSettings, *, safetensors: bool) -> None:
        self._folders = folders
        self._metrics = settings.metrics or {}
        self._tags = best_tags(settings)
        self._safetensors = safetensors
        self._held: dict[str, dict[str, Any]] = {name: self._read(name) for name in self._tags}

    def keep(self, model: Any, table: Table, iteration: int) -> None:
        """Write the network for each metric whose mean in ``table`` is better than before.

        Raises:
            DataError: the file could not be written.
        """
        summary = table.summary()
        for name, tag in self._tags.items():
            value = summary[name]["mean"]
            if not self._is_better(name, value, table.dataset):
                continue
            facts = {"metric": name, "value": value, "iter": iteration, "dataset": table.dataset}
            network = model.snapshot().networks[_LABEL]
            network["meta"] = {**network.get("meta", {}), "best": facts}
            save_networks(
                self._folders, Snapshot({_LABEL: network}), tag, safetensors=self._safetensors
            )
            self._held[name] = facts

    def _is_better(self, name: str, value: float, dataset: str) -> bool:
        held = self._held[name]
        if math.isnan(value):
            return False
        if (held.get("metric"), held.get("dataset")) != (name, dataset):
            return True
        before = float(held["value"])
        return value > before if is_higher_better(self._metrics[name]) else value < before

    def _read(self, name: str) -> dict[str, Any]:
        path = self._folders.models / f"{_LABEL}_{self._tags[name]}.pth"
        if not path.exists():
            return {}
        try:
            return dict(network_meta(load_file(path)).get("best") or {})
        except DataError as error:
            log.warning("%s The next validation writes it anew.", error)
            return {}
