"""Smooth every photograph of a folder with a classical filter, as ground truths for blending."""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.errors import exit_code_of
from smoothkit.ops.filters import FILTERS, describe_filters, parse_setting
from smoothkit.systems.jess.prepare import make_smooth_gt


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"Filters and their settings:\n{describe_filters()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photo_dir", required=True, help="folder of images")
    parser.add_argument("--out_dir", required=True, help="gets <stem>.png for each of them")
    parser.add_argument("--method", choices=FILTERS, default="l0", help="default: %(default)s")
    parser.add_argument(
        "--set",
        nargs="+",
        type=parse_setting,
        default=[],
        metavar="NAME=NUMBER",
        help="settings of the filter",
    )
    args = parser.parse_args()
    settings = dict(args.set)
    count = make_smooth_gt(args.photo_dir, args.out_dir, method=args.method, settings=settings)
    print(f"{args.out_dir}: {count} images")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
