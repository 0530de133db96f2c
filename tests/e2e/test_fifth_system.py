"""A system that lives in a folder of its own joins by existing."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

ARCH = """
from torch import nn
from smoothkit.core.registry import ARCH_REGISTRY

@ARCH_REGISTRY.register()
class FifthNet(nn.Conv2d):
    def __init__(self, size: int = 3) -> None:
        super().__init__(3, 3, size, padding=size // 2)
"""
LOSS = """
from torch import nn
from smoothkit.core.registry import LOSS_REGISTRY

@LOSS_REGISTRY.register()
class FifthLoss(nn.Module):
    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred, gt):
        return self.loss_weight * (pred - gt).square().mean()
"""
DATA = """
import torch
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import ImageDataset

@DATASET_REGISTRY.register()
class FifthDataset(ImageDataset):
    def __init__(self, length: int = 4) -> None:
        self.length = length

    def __len__(self):
        return self.length

    def get(self, index, rng):
        lq = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(index))
        return {"lq": lq, "gt": 1 - lq, "lq_path": f"{index}.png", "gt_path": f"{index}.png"}
"""


def test_a_system_in_a_folder_outside_the_package_trains(tmp_path: Path, run_python):
    folder = tmp_path / "systems" / "fifth"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name, text in (("arch", ARCH), ("loss", LOSS), ("data", DATA)):
        (folder / f"{name}.py").write_text(text)
    options = {
        "name": "fifth",
        "manual_seed": 0,
        "datasets": {"train": {"type": "FifthDataset", "num_worker_per_gpu": 1,
                               "start_method": "spawn"}},
        "network_g": {"type": "FifthNet", "size": 1},
        "train": {"total_iter": 60, "optim_g": {"type": "Adam", "lr": 0.05},
                  "fifth_opt": {"type": "FifthLoss"}},
        "logger": {"print_freq": 59},
    }  # fmt: skip
    (tmp_path / "fifth.yml").write_text(yaml.safe_dump(options))
    environment = {**os.environ, "SMOOTHKIT_SYSTEMS": str(folder.parent)}
    done = run_python("-m", "smoothkit.train", "-opt", "fifth.yml", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    log = done.stderr
    final = float(log.split("iter: 59,")[1].split("l_fifth: ")[1].split()[0])
    assert final < 0.05


def test_a_system_that_fails_to_import_is_named(tmp_path: Path, run_python):
    folder = tmp_path / "systems" / "broken"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "arch.py").write_text("import a_module_that_is_not_there\n")
    environment = {**os.environ, "SMOOTHKIT_SYSTEMS": str(folder.parent)}
    listed = run_python("-m", "smoothkit", "list", "archs", env=environment)
    assert "JESSNet" in listed.stdout
    assert "smoothkit.systems.broken.arch failed to import" in listed.stdout
    assert "a_module_that_is_not_there" in listed.stdout
