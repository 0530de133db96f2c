"""What a run knows beside its options: where it runs, as which process, into which folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from smoothkit.core.devices import choose_device
from smoothkit.core.settings import PathSettings


@dataclass(frozen=True)
class Folders:
    """Where a run writes, laid out as in BasicSR.

    Args:
        experiment: ``experiments/<name>``: checkpoints, states, logs, validation images.
        results: ``results/<name>``: what testing writes.
        tb_logger: ``tb_logger/<name>``: TensorBoard files.
    """

    experiment: Path
    results: Path
    tb_logger: Path

    @classmethod
    def of(cls, name: str, settings: PathSettings) -> Folders:
        """The folders of the run called ``name``."""
        return cls(
            Path(settings.experiments_root) / name,
            Path(settings.results_root) / name,
            Path(settings.tb_logger_root) / name,
        )

    @property
    def models(self) -> Path:
        """``net_g_<iter>.pth``."""
        return self.experiment / "models"

    @property
    def states(self) -> Path:
        """``<iter>.state``."""
        return self.experiment / "training_states"

    @property
    def visualization(self) -> Path:
        """Validation images of a training run."""
        return self.experiment / "visualization"

    @property
    def diagnostics(self) -> Path:
        """What was saved when a loss was not finite."""
        return self.experiment / "diagnostics"


@dataclass(frozen=True)
class Runtime:
    """Facts of this process that are not options.

    Args:
        device: where tensors live.
        rank, world_size: number of this process and of all.
        is_train: training, not testing.
        folders: where to write; None for a model used by hand, which then cannot save.
        iters_per_epoch: iterations in one pass over the training data.
        is_resumed: the weights of a checkpoint follow, whatever a model begins with.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    world_size: int = 1
    is_train: bool = True
    folders: Folders | None = None
    iters_per_epoch: int = 1
    is_resumed: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Runtime:
        """The runtime of a model built by hand from a dictionary of options."""
        return cls(
            device=choose_device(options.get("num_gpu", "auto")),
            is_train=bool(options.get("is_train", options.get("train"))),
        )
