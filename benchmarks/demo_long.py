"""The smoothing demo with half an hour of training instead of a few minutes, as JSON.

The demo's data must be there (sh demo.sh makes them). Prints the table of the demo, the time of the
training and the machine, and writes the picture; with ``--size small`` the demo's own network is
trained for longer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Iterations that take about half an hour on two cores with bf16.
SIZES = {
    "small": ({"dim": 16, "num_block": 1}, 17500),
    "middle": ({"dim": 32, "num_block": 2}, 7200),
}
DATA = "datasets/SPS_demo/held_out/train"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="middle", help="default: %(default)s")
    parser.add_argument("--iterations", type=int, help="instead of those of half an hour")
    args = parser.parse_args()
    if not (ROOT / DATA).is_dir():
        parser.error(f"{DATA} is not there. Run 'sh demo.sh' first, which makes it.")
    network, iterations = SIZES[args.size]
    iterations = args.iterations or iterations
    name = f"JESSNet_demo_long_{args.size}"
    results = f"results/{name}"
    overrides = {
        "name": name,
        "train:total_iter": iterations,
        "train:scheduler:T_max": iterations,
        "train:optim_g:lr": 2e-3,
        "val:val_freq": 1800,
        "logger:save_checkpoint_freq": 1800,
        **{f"network_g:{key}": value for key, value in network.items()},
    }
    started = time.monotonic()
    run(
        *("-m", "smoothkit.train", "-opt", "options/train/jess/train_JESSNet_demo.yml"),
        *("--force_yml", *(f"{key}={value}" for key, value in overrides.items())),
    )
    minutes = (time.monotonic() - started) / 60
    run(
        *("-m", "smoothkit.test", "-opt", "options/test/jess/test_JESSNet_demo.yml"),
        *("--force_yml", f"name={name}"),
        f"path:pretrain_network_g=experiments/{name}/models/net_g_latest.pth",
    )
    run(
        *("scripts/metrics/compare_filters.py", "--train_dir", "datasets/SPS_demo/train"),
        *("--test_dir", DATA, "--num_test", "20"),
        *("--results", f"JESS-Net={results}/visualization/held_out", "--out_dir", results),
    )
    comparison = json.loads((ROOT / results / "comparison.json").read_text())
    report = {
        "network": network,
        "iterations": iterations,
        "training_minutes": round(minutes, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        **comparison,
    }
    print(json.dumps(report, indent=2))


def run(*args: str) -> None:
    """Run Python in the project's folder; its own output goes to stderr, this one's is JSON."""
    subprocess.run([sys.executable, *args], cwd=ROOT, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
