"""Metrics of results against all ground truths that annotators called positive, in one pass.

OUT_DIR gets metrics.csv (a row a set and positive), metrics.json (mean, its bootstrap interval,
best and worst over the positives), and the methods in comparison.md and .csv, best first.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.process import run_command


def main() -> int:
    from smoothkit.cli.multi_gt import add_arguments, run_table

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        "--metrics", default="psnr,ssim", help="of psnr,ssim,lpips,dists,niqe; default: psnr,ssim"
    )
    parser.add_argument("--out_dir", default="results/multigt", help="default: %(default)s")
    parser.add_argument("--plot", action="store_true", help="also write plots.html")
    args = parser.parse_args()
    return run_table(args, [name.strip() for name in args.metrics.split(",")])


if __name__ == "__main__":
    sys.exit(run_command(main))
