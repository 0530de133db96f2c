"""Compare classical smoothing filters, tuned on training pairs, and networks on held-out pairs.

Prints PSNR and SSIM of the textured input and of each method; OUT_DIR gets comparison.json and
comparison.png.
"""

from __future__ import annotations

import argparse
import os
import sys

from smoothkit.cli.arguments import Gather
from smoothkit.cli.process import run_command
from smoothkit.ops.filters import parse_candidate


def main() -> int:
    from smoothkit.systems.jess.compare import GRIDS, compare, report, write_comparison

    is_quick = os.environ.get("SMOOTHKIT_QUICK") == "1"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train_dir", required=True, help="pairs that the filters are tuned on")
    parser.add_argument("--test_dir", required=True, help="pairs that are measured")
    parser.add_argument(
        "--results",
        nargs="+",
        action=Gather,
        type=named,
        default=[],
        metavar="NAME=DIR",
        help="results of networks on the test pairs",
    )
    parser.add_argument(
        "--also",
        nargs="+",
        action=Gather,
        type=named,
        default=[],
        metavar="NAME=FILTER:SETTING=NUMBER",
        help="filters with settings that are not tuned, as in too_strong=rtv:lam=0.3",
    )
    parser.add_argument(
        "--filters",
        nargs="*",
        action=Gather,
        choices=tuple(GRIDS),
        default=list(GRIDS),
        help="default: all",
    )
    parser.add_argument("--out_dir", default="results/compare_filters", help="default: %(default)s")
    parser.add_argument(
        "--num_tuning",
        type=int,
        default=1 if is_quick else 4,
        help="training pairs drawn; default: 4",
    )
    parser.add_argument(
        "--crop",
        type=int,
        default=64 if is_quick else 160,
        help="longest side of their crops in pixels; default: 160",
    )
    parser.add_argument(
        "--num_test",
        type=int,
        default=2 if is_quick else None,
        help="test pairs drawn; default: all",
    )
    parser.add_argument("--num_shown", type=int, default=4, help="rows of comparison.png")
    parser.add_argument("--note", default="", help="printed and kept with the table")
    parser.add_argument("--seed", type=int, default=0, help="of the draws; default: %(default)s")
    args = vars(parser.parse_args())
    out_dir, note = args.pop("out_dir"), args.pop("note")
    args["networks"] = dict(args.pop("results"))
    args["fixed"] = {name: parse_candidate(text, "--also") for name, text in args.pop("also")}
    args["grids"] = {name: GRIDS[name] for name in args.pop("filters")}
    comparison = compare(**args)
    write_comparison(comparison, out_dir, note)
    print("\n".join(filter(None, [report(comparison), note])))
    return 0


def named(text: str) -> tuple[str, str]:
    """Both sides of NAME=REST."""
    name, equals, rest = text.partition("=")
    if not (name and equals and rest):
        raise argparse.ArgumentTypeError(f"must have the form NAME=..., got '{text}'")
    return name, rest


if __name__ == "__main__":
    sys.exit(run_command(main))
