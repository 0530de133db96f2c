"""Filled weights of the networks that CSGIS-Net trains against, and its shipped option files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from smoothkit.archs import build_network
from support.fill import fill

OPTIONS = Path(__file__).parents[2] / "options"


def options_of(file: str) -> dict[str, Any]:
    """A shipped training file of this system, on the CPU."""
    options = yaml.safe_load((OPTIONS / "train/csgis" / file).read_text())
    return {**options, "num_gpu": 0}


def write_teacher(path: Path, num_classes: int = 21) -> None:
    """The segmentation network in the layout of its public repository."""
    net = build_network({"type": "deeplabv3plus_mobilenet", "num_classes": num_classes})
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "cur_itrs": 30000,
        "model_state": fill(net.state_dict()),
        "optimizer_state": {"state": {}, "param_groups": []},
        "scheduler_state": {"last_epoch": 30000},
        "best_score": np.float64(0.711),
    }
    torch.save(content, path)
