"""Fixtures shared by all tests."""

from __future__ import annotations

import copy
import logging
import os
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from smoothkit.core.log import NAMES
from support.gpu import NO_DEVICE, find_device

SUPPORT = Path(__file__).parent / "support"
SCRIPTS = Path(__file__).parents[1] / "scripts"
os.environ["SMOOTHKIT_SYSTEMS"] = str(SUPPORT / "systems")
os.environ.setdefault("OMP_NUM_THREADS", "1")

TINY: dict[str, Any] = {
    "name": "tiny",
    "num_gpu": 0,
    "manual_seed": 1,
    "datasets": {
        "train": {"type": "NoiseDataset", "length": 10, "batch_size_per_gpu": 2},
        "val": {"type": "NoiseDataset", "length": 3, "name": "held_out"},
    },
    "network_g": {"type": "TinyNet"},
    "train": {
        "total_iter": 8,
        "optim_g": {"type": "Adam", "lr": 0.01},
        "pixel_opt": {"type": "L1Loss"},
    },
    "val": {"val_freq": 8, "metrics": {"psnr": {"type": "psnr"}}},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 4},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the nested ``changes`` laid over it; None removes a key."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what needs an accelerator where there is none."""
    if item.get_closest_marker("gpu") and find_device() is None:
        pytest.skip(NO_DEVICE)


@pytest.fixture
def device() -> torch.device:
    """Where tests marked ``gpu`` run."""
    found = find_device()
    assert found is not None, "mark the test with pytest.mark.gpu"
    return found


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Takes away what a command set up: its console is that of the test, closed after it."""
    yield
    for name in NAMES:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = True


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes an option file of the tiny system, with changes, into the working folder."""
    monkeypatch.chdir(tmp_path)

    def write(file: str = "tiny.yml", **changes: Any) -> Path:
        path = tmp_path / file
        path.write_text(yaml.safe_dump(merged(TINY, changes), sort_keys=False))
        return path

    return write


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python module or script in a process of its own."""

    def run(*args: str, timeout: float = 300, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)

    return run


@pytest.fixture
def run_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], int]:
    """Runs a file below ``scripts/`` in this process and in ``tmp_path``; returns its exit code.

    The arguments are one line, as in a shell. What is printed is for ``capsys`` to read.
    """
    monkeypatch.chdir(tmp_path)

    def run(script: str, arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", [script, *shlex.split(arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        return int(ended.value.code or 0)

    return run
