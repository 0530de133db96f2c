"""What the benchmarks share: timing, memory, the machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
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


def step_of(model: Any) -> Callable[[Any], float]:
    """One training step of a model with BasicSR's protocol, which takes a batch; gives its loss."""

    def step(data: Any) -> float:
        model.feed_data(data)
        model.optimize_parameters(1)
        return float(model.get_current_log()["l_total"])

    return step


def compare_steps(
    steps: dict[str, Callable[[Any], float]], batches: Sequence[Any], repeats: int, **facts: Any
) -> None:
    """Report training steps of the same network: their times, and their losses, beside ``plain``.

    Args:
        steps: by name, one of them ``plain``; each takes a batch and gives its loss.
        batches: what every one of them learns from before it is timed.
        repeats: of which the median time is taken.
        facts: to report as well.
    """
    losses = {name: [step(b) for b in batches] for name, step in steps.items()}
    seconds = interleaved(
        {name: lambda step=step: step(batches[0]) for name, step in steps.items()}, repeats
    )
    others = [name for name in steps if name != "plain"]
    report(
        **facts,
        seconds=seconds,
        times_faster={name: seconds["plain"] / seconds[name] for name in others},
        largest_relative_difference_of_losses={
            name: max(abs(a / b - 1) for a, b in zip(losses[name], losses["plain"], strict=True))
            for name in others
        },
    )


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
