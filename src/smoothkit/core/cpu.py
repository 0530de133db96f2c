"""The CPUs that this process may use, and threads that do not fight other programs for them."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

# OpenMP threads that wait at a barrier turn in a loop before they sleep. By default they turn for
# milliseconds, which is lost time where another program has one of the cores: the thread that all
# wait for is then the one without a core. Values chosen with benchmarks/contention.py.
SPINNING = {
    # GNU's OpenMP, in PyTorch for Linux; turns, some 20 microseconds. It takes as many itself where
    # it knows that there are more threads than cores.
    "GOMP_SPINCOUNT": "1000",
    "KMP_BLOCKTIME": "1",  # Intel's and LLVM's, in PyTorch for macOS and of conda; milliseconds
}
# Who sets one of these has decided about spinning already.
_SPIN_CHOICES = (*SPINNING, "OMP_WAIT_POLICY", "KMP_LIBRARY")
# What libraries read their number of threads from; the first also serves MKL and OpenBLAS.
COUNTS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "NUMBA_NUM_THREADS")


def usable_cpus() -> int:
    """CPUs that this process may use, at least 1: the least of ``cpu_limits``."""
    return min(cpu_limits().values())


def cpu_limits(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> dict[str, int]:
    """How many CPUs there are, and what else limits them, by what says so.

    Args:
        environ: of this process.
        root: of the file system, where ``/proc`` and ``/sys`` are.
    """
    limits = {"machine": os.cpu_count() or 1}
    if hasattr(os, "sched_getaffinity"):  # Linux
        limits["affinity"] = len(os.sched_getaffinity(0))
    quotas = list(_quotas(root))
    if quotas:
        limits["container (cgroup)"] = max(1, math.ceil(min(quotas)))
    if "SLURM_PROCID" in environ:
        for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
            if environ.get(name, "").isdecimal():
                limits[name] = max(1, int(environ[name]))
                break
    return limits


def prepare_threads(environ: MutableMapping[str, str] = os.environ, root: Path = Path("/")) -> None:
    """Set what libraries read when they are loaded; to call before torch is imported.

    OpenMP threads spin for a shorter time, and no library starts more threads than a container's
    quota or Slurm allows. (The affinity is seen by all of them.) What the user has set stands.
    """
    if "torch" in sys.modules:  # too late
        return
    if not any(name in environ for name in _SPIN_CHOICES):
        environ.update(SPINNING)
    limits = cpu_limits(environ, root)
    seen = min(limits["machine"], limits.get("affinity", limits["machine"]))
    usable = min(limits.values())
    if usable < seen:
        for name in COUNTS:
            environ.setdefault(name, str(usable))


def _quotas(root: Path) -> Iterator[float]:
    """CPUs' worth of time that each control group around this process grants, if it limits it."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0" and not controllers:
            base, quota_of = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            base, quota_of = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        # A container may see its own group as the root, or the host's path, which it lacks.
        for folder in (base / group.lstrip("/"), *(base / group.lstrip("/")).parents):
            quota = quota_of(folder)
            if quota is not None:
                yield quota
            if folder == base:
                break


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _quota_v1(folder: Path) -> float | None:
    quota = _read(folder / "cpu.cfs_quota_us").strip()  # -1: no limit
    period = _read(folder / "cpu.cfs_period_us").strip()
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
