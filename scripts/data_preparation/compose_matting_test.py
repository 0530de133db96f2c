"""Build the Composition-1k test set: every foreground before the backgrounds that are its own.

Names are listed in two files, a line each; every foreground takes the next 20 backgrounds. OUT_DIR
gets merged, alpha_copy and, with --trimap_dir, trimaps, each with a file of one name an image. A
second run makes only what is missing or was made from other sources.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.systems.lsa.testset import Sources, build_test_set


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fg_dir", required=True, help="folder of foregrounds")
    parser.add_argument("--alpha_dir", required=True, help="folder of their alphas, by name")
    parser.add_argument("--bg_dir", required=True, help="folder of backgrounds")
    parser.add_argument("--out_dir", required=True, help="empty, or that of an earlier run")
    listed = "in order; default: all of the folder, by name"
    parser.add_argument("--fg_list", metavar="FILE", help=f"names of foregrounds {listed}")
    parser.add_argument("--bg_list", metavar="FILE", help=f"names of backgrounds {listed}")
    parser.add_argument(
        "--trimap_dir", help="trimaps, named like merged images (NAME_0, ...) or foregrounds"
    )
    parser.add_argument(
        "--per_foreground",
        type=whole_number(1),
        default=20,
        help="backgrounds of each foreground; default: %(default)s, as in Composition-1k",
    )
    parser.add_argument("--workers", type=whole_number(1), help="threads; default: one a core")
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    sources = Sources(
        args.fg_dir, args.alpha_dir, args.bg_dir, args.fg_list, args.bg_list, args.trimap_dir
    )
    count = build_test_set(
        sources,
        args.out_dir,
        per_foreground=args.per_foreground,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    print(f"{args.out_dir}: {count} images written")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
