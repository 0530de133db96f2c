"""Training steps in one process or as part of several, for programs that torchrun starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from smoothkit.core import distributed
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import DistSettings
from smoothkit.models import build_model


def make_steps(
    options: Mapping[str, Any], batches: Sequence[Mapping[str, Tensor]], out: str
) -> None:
    """Train on the batches, each process on its share of the samples.

    Args:
        options: of a model with a discriminator.
        batches: of all processes together.
        out: file that gets the weights of both networks and what was logged.
    """
    environment = dict(os.environ) if "RANK" in os.environ else {}
    distributed.start(environment, torch.device("cpu"), DistSettings())
    rank, size = distributed.rank(), distributed.world_size()
    torch.manual_seed(0)
    model = build_model(options, Runtime(torch.device("cpu"), rank, size))
    logs = []
    for number, batch in enumerate(batches, 1):
        share = len(next(iter(batch.values()))) // size
        part = slice(rank * share, (rank + 1) * share)
        model.feed_data({name: value[part] for name, value in batch.items()})
        model.optimize_parameters(number)
        logs.append(dict(model.get_current_log()))
    if rank == 0:
        weights = {"g": model.net.state_dict(), "d": model.critic.net.state_dict()}
        torch.save({**weights, "logs": logs}, out)
    distributed.stop()
