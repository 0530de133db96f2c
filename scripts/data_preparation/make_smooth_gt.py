"""Smooth every photograph of a folder with a classical filter, as ground truths for blending."""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.errors import exit_code_of
from smoothkit.core.signature import parameters
from smoothkit.ops.filters import FILTERS
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
        type=setting,
        default=[],
        metavar="NAME=NUMBER",
        help="settings of the filter",
    )
    args = parser.parse_args()
    settings = dict(args.set)
    count = make_smooth_gt(args.photo_dir, args.out_dir, method=args.method, settings=settings)
    print(f"{args.out_dir}: {count} images")
    return 0


def setting(text: str) -> tuple[str, float]:
    """Name and number of ``NAME=NUMBER``; whole numbers stay whole."""
    name, _, value = text.partition("=")
    return name, int(value) if value.lstrip("-").isdecimal() else float(value)


def describe_filters() -> str:
    """One line per filter: its settings with their defaults."""
    return "\n".join(
        f"  {name}: "
        + " ".join(f"{p.name}={p.default}" for p in parameters(f).values() if p.name != "image")
        for name, f in FILTERS.items()
    )


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
