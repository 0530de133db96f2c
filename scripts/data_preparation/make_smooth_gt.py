"""Smooth the photographs of a folder into ground truths for blending.

With --method, one filter makes OUT_DIR/<stem>.png of each. Without it, many filters make candidates
of each; the best, by edges kept against texture removed, is linked into OUT_DIR/SPS-GT, and a sheet
in OUT_DIR/sheets shows all of them. A run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.core.parallel import parse_shard
from smoothkit.data.prepare.filtering import make_smooth_gt
from smoothkit.ops.filters import BYTE_FILTERS, FILTERS, describe_filters, parse_grid, parse_setting
from smoothkit.systems.jess.ground_truth import (
    DEFAULT_GRID,
    choose_ground_truths,
    merge_selections,
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"Filters and their settings:\n{describe_filters()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photo_dir", required=True, help="folder of images")
    parser.add_argument("--out_dir", required=True, help="gets the results")
    parser.add_argument(
        "--method", choices=[*FILTERS, *BYTE_FILTERS], help="this filter for all photographs"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action=Gather,
        type=parse_setting,
        default=[],
        metavar="NAME=NUMBER",
        help="settings of --method",
    )
    parser.add_argument(
        "--grid",
        nargs="+",
        action=Gather,
        default=DEFAULT_GRID,
        metavar="NAME:SETTING=A,B",
        help=f"filters and values to try; default: {' '.join(DEFAULT_GRID)}",
    )
    parser.add_argument(
        "--workers", type=whole_number(1), help="photographs at a time; default: one a core"
    )
    parser.add_argument(
        "--shard", default="1/1", metavar="I/N", help="this machine's part: the I-th of N"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    if not args.method and args.set:
        parser.error("--set: belongs to --method; settings to try are given by --grid")
    if args.method and args.grid is not DEFAULT_GRID:
        parser.error("--grid: takes the place of --method; give one of them")
    return make_one(args) if args.method else choose(args)


def make_one(args: argparse.Namespace) -> int:
    """One filter for all photographs; 2 where a photograph could not be read."""
    done = make_smooth_gt(
        args.photo_dir,
        args.out_dir,
        method=args.method,
        settings=dict(args.set),
        workers=args.workers,
        shard=parse_shard(args.shard),
        overwrite=args.overwrite,
    )
    made, skipped = follow(done)
    print(f"{args.out_dir}: {made} images")
    return 2 if skipped else 0


def choose(args: argparse.Namespace) -> int:
    """Make and choose candidates; 2 where a photograph could not be read."""
    done = choose_ground_truths(
        args.photo_dir,
        args.out_dir,
        parse_grid(args.grid),
        workers=args.workers,
        shard=parse_shard(args.shard),
        overwrite=args.overwrite,
    )
    _, skipped = follow(done)
    print(merge_selections(args.out_dir))
    return 2 if skipped else 0


def follow(done: Iterable[tuple[Path, str | None]]) -> tuple[int, int]:
    """Show progress and what is skipped; numbers of photographs made and skipped."""
    made = skipped = 0
    for _, reason in tqdm(done, unit="photograph", disable=not sys.stderr.isatty()):
        made, skipped = made + (reason is None), skipped + (reason is not None)
        if reason is not None:
            print(f"skipped: {reason}", file=sys.stderr)
    return made, skipped


if __name__ == "__main__":
    sys.exit(run_command(main))
