"""Filled weights of the networks that CSGIS-Net trains against, and its shipped option files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from smoothkit.archs import build_network
from smoothkit.systems.csgis.deeplab import DeepLabV3Plus
from support.fill import fill

OPTIONS = Path(__file__).parents[2] / "options"
TEACHER = {"type": "DeepLabV3Plus", "num_classes": 4}
# What it was trained on: per channel, RGB.
MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def options_of(file: str) -> dict[str, Any]:
    """A shipped training file of this system, on the CPU."""
    options = yaml.safe_load((OPTIONS / "train/csgis" / file).read_text())
    return {**options, "num_gpu": 0}


def filled_teacher(num_classes: int = 4) -> DeepLabV3Plus:
    """The segmentation network as ``write_teacher`` writes it, in evaluation mode."""
    net = DeepLabV3Plus(num_classes=num_classes)
    net.load_state_dict(fill(net.state_dict()))
    return net.eval()


def segmented_batch(count: int = 2, side: int = 16) -> dict[str, torch.Tensor]:
    """Random images with masks of 4 classes, half of one ignored."""
    generator = torch.Generator().manual_seed(0)
    lq, gt = (torch.rand(count, 3, side, side, generator=generator) for _ in range(2))
    mask = torch.randint(0, 4, (count, side, side), generator=generator, dtype=torch.uint8)
    mask[0, : side // 2] = 255
    return {"lq": lq, "gt": gt, "segmentation": mask}


def write_teacher(path: Path, num_classes: int = 21, *, prefix: str = "") -> None:
    """The segmentation network in the layout of its public repository."""
    net = build_network({"type": "deeplabv3plus_mobilenet", "num_classes": num_classes})
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "cur_itrs": 30000,
        "model_state": {prefix + name: value for name, value in fill(net.state_dict()).items()},
        "optimizer_state": {"state": {}, "param_groups": []},
        "scheduler_state": {"last_epoch": 30000},
        "best_score": np.float64(0.711),
    }
    torch.save(content, path)
