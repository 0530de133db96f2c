"""Positives alone against positives and negatives in the super-resolution demo, as JSON.

Run ``sh demo.sh sr`` first: each network goes on from its RRDB, with several seeds, and is measured
over the labels of the held-out photographs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from common import report

from smoothkit.systems.hggt_sr.labels import read_labels
from smoothkit.systems.hggt_sr.measures import measure_of
from smoothkit.systems.hggt_sr.multi_gt import multi_gt

DATA = Path("datasets/HGGT_demo/test")
NETWORKS = ("RRDB_Pos_demo", "RRDB_PosNeg_demo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    args = parser.parse_args()
    if not Path("experiments/RRDB_demo/models/net_g_latest.pth").exists():
        parser.error("experiments/RRDB_demo is not there. Run 'sh demo.sh sr' first.")
    values = {network: [psnr(network, seed) for seed in args.seeds] for network in NETWORKS}
    means = {network: statistics.fmean(found) for network, found in values.items()}
    report(
        what="PSNR over positive ground truths, held-out photographs",
        seeds=args.seeds,
        psnr=values,
        mean=means,
        gain_of_negatives=means[NETWORKS[1]] - means[NETWORKS[0]],
    )


def psnr(network: str, seed: int) -> float:
    """Of the network trained with this seed."""
    name = f"{network}_seed{seed}"
    command("smoothkit.train", f"options/train/hggt_sr/train_{network}.yml", name,
            f"manual_seed={seed}")  # fmt: skip
    weights = f"experiments/{name}/models/net_g_latest.pth"
    command("smoothkit.test", "options/test/hggt_sr/test_RRDB_demo.yml", name,
            f"path:pretrain_network_g={weights}")  # fmt: skip
    folder = Path(f"results/{name}/visualization/held_out")
    metrics = ["psnr"]
    *_, (_, _, outcome) = multi_gt(
        folder, DATA / "images", read_labels(DATA / "labels"), measure_of(metrics), metrics=metrics
    )
    return outcome.mean("psnr")


def command(module: str, options: str, name: str, *settings: str) -> None:
    subprocess.run(
        [sys.executable, "-m", module, "-opt", options, "--force_yml", f"name={name}", *settings],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
