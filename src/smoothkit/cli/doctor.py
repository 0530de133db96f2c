"""Say what is installed and what it can do here, and how to mend what is broken."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from smoothkit.core.cpu import COUNTS, SPINNING, cpu_limits, usable_cpus

_SHOWN = ("smoothkit", "torch", "torchvision", "numpy", "opencv-python", "basicsr", "scipy",
          "scikit-image", "lmdb", "lpips", "setuptools", "safetensors")  # fmt: skip
# Distributions that install the same files; two of a group break each other.
_RIVALS = {
    "TensorBoard": ("tensorboard", "tb-nightly", "tf-nightly-tensorboard"),
    "OpenCV": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
}
_LITTLE_GB = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 where something needs mending."""
    for line in facts():
        print(line)
    found = list(problems())
    for problem, remedy in found:
        print(f"PROBLEM: {problem}\n    fix: {remedy}")
    print("No problems found." if not found else f"{len(found)} problem(s).")
    return int(bool(found))


def facts() -> Iterator[str]:
    """Versions, devices, disk."""
    yield f"Python {platform.python_version()} ({sys.executable}), {platform.platform()}"
    for name in _SHOWN:
        yield f"{name}: {_version(name) or 'not installed'}"
    for group, names in _RIVALS.items():
        held = [f"{name} {_version(name)}" for name in names if _version(name)]
        yield f"{group}: {', '.join(held) or 'not installed'}"
    yield from _device_facts()
    limits = ", ".join(f"{what} {count}" for what, count in cpu_limits().items())
    yield f"usable CPUs: {usable_cpus()} (limits: {limits})"
    threads = [f"{name}={os.environ[name]}" for name in (*COUNTS, *SPINNING) if name in os.environ]
    yield f"thread settings: {', '.join(threads) or 'none'}"
    yield f"free disk here: {_free_gb():.1f} GB"


def problems() -> Iterator[tuple[str, str]]:
    """What is broken, and how to mend it."""
    for group, names in _RIVALS.items():
        held = [name for name in names if _version(name)]
        if len(held) > 1:
            others = " ".join(held)
            yield (
                f"{len(held)} distributions of {group} share files: {', '.join(held)}",
                f"pip uninstall -y {others} && pip install {held[0]}",
            )
    major = int((_version("setuptools") or "0").partition(".")[0])
    if _version("tb-nightly") and (major == 0 or major >= 81):
        yield ("tb-nightly needs pkg_resources of setuptools below 81",
               "pip install 'setuptools<81'")  # fmt: skip
    for name in ("torch", "torchvision", "numpy", "opencv-python"):
        if not _version(name) and not (name == "opencv-python" and _has_opencv()):
            yield f"{name} is not installed", f"pip install {name}"
    if not _version("basicsr"):
        yield ("BasicSR is not installed: its networks, losses and models cannot be named",
               "sh scripts/install_basicsr.sh")  # fmt: skip
    if _free_gb() < _LITTLE_GB:
        yield f"less than {_LITTLE_GB} GB of disk are free here", f"free some in {Path.cwd()}"


def _device_facts() -> Iterator[str]:
    try:
        import torch
    except ImportError as error:
        yield f"devices: torch cannot be imported: {error}"
        return
    from smoothkit.core.devices import accelerator, accelerator_count, cpu_has_bf16

    kind = accelerator()
    names = (
        [torch.cuda.get_device_name(i) for i in range(accelerator_count())]
        if kind == "cuda"
        else [kind] * accelerator_count()
    )
    yield f"accelerators: {', '.join(map(str, names)) or 'none'}"
    bf16 = "yes" if cpu_has_bf16() else "no"
    yield f"CPU: {torch.get_num_threads()} threads, bf16 in hardware: {bf16}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _has_opencv() -> bool:
    return any(_version(name) for name in _RIVALS["OpenCV"])


def _free_gb() -> float:
    return shutil.disk_usage(Path.cwd()).free / 1e9
