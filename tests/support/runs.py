"""Reading what a training run wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch


def told(name: str = "tiny", root: str | Path = "experiments") -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl``."""
    text = (Path(root) / name / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def losses(name: str = "tiny", root: str | Path = "experiments") -> dict[int, float]:
    """Iteration -> total loss."""
    return {line["iter"]: line["l_total"] for line in told(name, root) if "l_total" in line}


def weights(
    iteration: int | str, name: str = "tiny", root: str | Path = "experiments", key: str = "params"
) -> dict[str, torch.Tensor]:
    """The network's weights in a checkpoint."""
    path = Path(root) / name / "models" / f"net_g_{iteration}.pth"
    return torch.load(path, weights_only=True)[key]


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Fail unless both hold the same bits under the same names."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
