"""What is saved when a loss is not finite, so that the step can be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from smoothkit.core.runtime import Folders
from smoothkit.core.weights import save_file


def describe_and_save(
    networks: Mapping[str, Mapping[str, Any]],
    batches: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    iteration: int,
    folders: Folders,
    rank: int,
) -> str:
    """Save the networks and the batch, and say what happened in one message.

    Args:
        networks: of the model's snapshot.
        batches: what the step was fed.
        names: the losses that are not finite.
        iteration: the step.
        folders: where the state goes.
        rank: number of this process, part of the file's name.
    """
    path = folders.diagnostics / f"{iteration}_rank{rank}.pth"
    content: dict[str, Any] = {
        "iter": iteration,
        "losses": list(names),
        "networks": dict(networks),
        "batches": [dict(batch) for batch in batches],
    }
    save_file(path, content)
    parts = [part for network in networks.values() for part in network.values()]
    is_spoilt = not all(_is_finite(part) for part in parts)
    files = sorted({file for batch in batches for file in _files(batch)})
    what = f"{', '.join(names)} not finite"
    if is_spoilt:
        what += ", and neither are the weights: a gradient of an earlier step was not"
    return (
        f"iteration {iteration}: {what}. Files: {', '.join(files) or 'unknown'}. "
        f"Networks and batch are in {path}. Lower the learning rate, set train.grad_clip, or look "
        "at these files."
    )


def _is_finite(part: Any) -> bool:
    """Whether every tensor of a state dict is finite; other entries of a network count as such."""
    values = part.values() if isinstance(part, Mapping) else ()
    return all(bool(v.isfinite().all()) for v in values if isinstance(v, Tensor))


def _files(batch: Mapping[str, Any]) -> list[str]:
    return [
        str(file)
        for name, values in batch.items()
        if name.endswith("_path") and not isinstance(values, Tensor)
        for file in values
    ]
