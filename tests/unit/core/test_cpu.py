"""How many CPUs may be used, and what libraries are told before they are loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smoothkit.core.cpu import SPINNING, cpu_limits, prepare_threads, usable_cpus
from smoothkit.core.parallel import in_threads

SCRIPTS = Path(__file__).parents[3] / "scripts"

# What a new process has in its environment after a command began, and the threads of torch.
PROBE = """
import json, os, sys
from smoothkit.cli.process import run_command
def command():
    import torch
    names = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")
    found = {name: os.environ.get(name) for name in names}
    print(json.dumps({**found, "threads": torch.get_num_threads()}))
    return 0
sys.exit(run_command(command))
"""

# Prints which command-line programs have loaded torch by the time they prepare for it.
EARLY = """
import os, runpy, sys
import smoothkit.cli.process as process
for program in sys.argv[1:]:
    if os.fork() == 0:
        def prepare_threads():
            if "torch" in sys.modules:
                print(program, flush=True)
            sys.exit()
        process.prepare_threads = prepare_threads
        is_file = program.endswith(".py")
        sys.argv = [program, "--help"]
        if program in ("smoothkit.train", "smoothkit.test"):
            sys.argv = [program, "-opt", "x"]
        if program == "smoothkit.inference":
            sys.argv = [program, "-m", "x", "-i", "x", "-o", "x"]
        (runpy.run_path if is_file else runpy.run_module)(program, run_name="__main__")
    if os.wait()[1]:
        print(program, "failed", flush=True)
"""


def after_start(**environ: str) -> dict:
    own = {*SPINNING, "OMP_NUM_THREADS"}
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    run = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=inherited | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def limits_of(root, files, environ=None):
    write(root, files)
    return cpu_limits(environ or {}, root)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        # The nearest group has no limit, the one around it has.
        (
            {
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
                "sys/fs/cgroup/job/cpu.max": "300000 100000\n",
            },
            3,
        ),
        # In a container the host's path is not there.
        (
            {
                "proc/self/cgroup": "0::/docker/abc\n",
                "sys/fs/cgroup/cpu.max": "400000 100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "5:cpuset:/\n4:cpu,cpuacct:/docker/abc\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_a_containers_quota_is_read(tmp_path, files, expected):
    assert limits_of(tmp_path, files).get("container (cgroup)") == expected


def test_slurm_says_how_many_cpus_a_task_has(tmp_path):
    inside = {"SLURM_PROCID": "0", "SLURM_CPUS_ON_NODE": "32"}
    assert limits_of(tmp_path, {}, inside)["SLURM_CPUS_ON_NODE"] == 32
    limits = limits_of(tmp_path, {}, {**inside, "SLURM_CPUS_PER_TASK": "8"})
    assert limits["SLURM_CPUS_PER_TASK"] == 8
    assert "SLURM_CPUS_ON_NODE" not in limits
    outside = limits_of(tmp_path, {}, {"SLURM_CPUS_PER_TASK": "8"})
    assert "SLURM_CPUS_PER_TASK" not in outside


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_the_affinity_limits_what_runs_at_a_time():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cpus() == 1
        assert list(in_threads(str, [1, 2, 3])) == ["1", "2", "3"]
    finally:
        os.sched_setaffinity(0, before)
    assert usable_cpus() == len(before)


def prepared(monkeypatch, root, files, **environ):
    write(root, files)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    prepare_threads(environ, root)
    return environ


@pytest.fixture
def quota_of_one(monkeypatch, tmp_path):
    """``prepare_threads`` on a machine of many CPUs, one of which a container may use."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}
    return lambda **environ: prepared(monkeypatch, tmp_path, files, **environ)


def test_a_container_starts_no_more_threads_than_it_may_use(quota_of_one):
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "NUMBA_NUM_THREADS"), "1")
    assert quota_of_one() == {**SPINNING, **counts}


def test_what_the_user_set_stands(quota_of_one):
    assert quota_of_one(OMP_NUM_THREADS="6")["OMP_NUM_THREADS"] == "6"
    for name in (*SPINNING, "OMP_WAIT_POLICY"):
        found = quota_of_one(**{name: "7"})
        assert {key: v for key, v in found.items() if key in SPINNING} == (
            {name: "7"} if name in SPINNING else {}
        )


def test_without_a_limit_the_libraries_choose_their_threads(monkeypatch, tmp_path):
    assert prepared(monkeypatch, tmp_path, {}) == SPINNING


def test_nothing_is_set_after_torch_was_loaded():
    environ: dict[str, str] = {}
    prepare_threads(environ)
    assert environ == {}


def test_commands_set_it_before_torch_is_loaded():
    assert {name: after_start()[name] for name in SPINNING} == SPINNING
    found = after_start(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
    assert found["GOMP_SPINCOUNT"] is None
    assert found["threads"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process for each program")
def test_no_program_loads_torch_before_that():
    scripts = sorted(map(str, SCRIPTS.glob("*/*.py")))
    assert len(scripts) > 20
    modules = ["smoothkit", "smoothkit.train", "smoothkit.test", "smoothkit.inference"]
    command = [sys.executable, "-c", EARLY, *modules, *scripts]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == ""
