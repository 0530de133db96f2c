"""What the benchmarks share: timing, memory, the machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def median_seconds(function: Callable[[], object], repeats: int, *, warmup: int = 1) -> float:
    """Median time of one call."""
    for _ in range(warmup):
        function()
    return statistics.median(_seconds(function) for _ in range(repeats))


def interleaved(
    functions: dict[str, Callable[[], object]], repeats: int, *, warmup: int = 1
) -> dict[str, float]:
    """Median time of each, called in turn, so that a busy moment strikes all alike."""
    for function in functions.values():
        for _ in range(warmup):
            function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(_seconds(function))
    return {name: statistics.median(values) for name, values in times.items()}


def peak_megabytes() -> int:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def machine() -> str:
    """Processor and cores."""
    model = platform.processor() or platform.machine()
    for line in _cpuinfo():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores"


def report(**values: Any) -> None:
    """Print the result as JSON, the machine and this process's peak memory with it."""
    print(
        json.dumps({**values, "peak_memory_mb": peak_megabytes(), "machine": machine()}, indent=2)
    )


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
