"""Trainings that are killed at random moments and resumed, against one that is not.

Every trial trains the tiny file of a system, kills the process with SIGKILL at moments drawn over
the length of a run, and goes on with --auto_resume until it ends. It counts if its weights of all
networks and its losses are those of the undisturbed run, bit for bit. One that ended before it was
killed is made anew.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.runs import losses
from support.tiny import FILES, make_data

ITERATIONS, MOST_KILLS = 12, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        lengths = {}
        for system in FILES:
            make_data(system, Path(folder))
            lengths[system] = min(timed(system, f"{system}_{name}") for name in ("first", "whole"))
        rows = [
            trial(system, number, lengths[system], rng)
            for number, system in zip(range(args.trials), itertools.cycle(FILES), strict=False)
        ]
    told = {
        "trials": rows,
        "kills": sum(row["kills"] for row in rows),
        "identical": sum(row["is_identical"] for row in rows),
    }
    print(json.dumps(told, indent=1))
    sys.exit(told["identical"] != len(rows))


def timed(system: str, name: str) -> float:
    started = time.monotonic()
    assert run(system, name) == 0
    return time.monotonic() - started


def run(system: str, name: str, seconds: float | None = None) -> int:
    """Train, or go on; killed after ``seconds``. The exit code."""
    changes = [f"name={name}", f"train:total_iter={ITERATIONS}", "val:val_freq=4"]
    changes += ["logger:print_freq=1", "logger:save_checkpoint_freq=1"]
    command = [sys.executable, "-m", "smoothkit.train", "-opt", str(FILES[system])]
    command += ["--auto_resume", "--force_yml", *changes]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its data workers too
        return process.wait()


def trial(system: str, number: int, length: float, rng: random.Random) -> dict[str, object]:
    kills = 0
    while not kills:
        name = f"{system}_killed_{number}_{rng.random()}"
        for _ in range(MOST_KILLS):
            if run(system, name, rng.uniform(0.2, 1) * length) == 0:
                break
            kills += 1
        else:
            assert run(system, name) == 0
    return {"system": system, "kills": kills, "is_identical": is_identical(f"{system}_whole", name)}


def is_identical(whole: str, killed: str) -> bool:
    """Whether the networks of every checkpoint, best ones included, and all losses are the same."""
    first, second = (sorted(Path(f"experiments/{n}/models").glob("*.pth")) for n in (whole, killed))
    names = [path.name for path in first]
    has_all = names == [path.name for path in second]
    return has_all and losses(whole) == losses(killed) and all(map(same_networks, first, second))


def same_networks(first: Path, second: Path) -> bool:
    import torch

    held, other = (torch.load(path, weights_only=True) for path in (first, second))
    return all(
        torch.equal(value, other[part][key])
        for part in held
        if part.startswith("params")
        for key, value in held[part].items()
    )


if __name__ == "__main__":
    main()
