"""Make foregrounds with alphas of photographs: soft blobs, strands of hair and lace.

OUT_DIR gets fg, alpha and, as backgrounds, the photographs in coco_bg, with lists of what a test
set puts before what. It is there to try the commands on, not to report figures on.
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatch

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.errors import DataError
from smoothkit.data.store import image_files
from smoothkit.systems.lsa.samples import (
    LARGEST_SIDE,
    LEAST_SIDE,
    make_sample_foregrounds,
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photo_dir", required=True, help="folder of two images or more")
    parser.add_argument("--out_dir", required=True, help="gets fg, alpha, coco_bg")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="names to take; default: *")
    parser.add_argument("--skip", default="", metavar="PATTERN", help="names to leave out")
    parser.add_argument(
        "--num_each", type=whole_number(1), default=2, help="alphas of each kind; default: 2"
    )
    parser.add_argument(
        "--side",
        type=whole_number(LEAST_SIDE),
        default=256,
        help=f"pixels, up to {LARGEST_SIDE}; default: 256",
    )
    parser.add_argument(
        "--per_foreground",
        type=whole_number(1),
        default=2,
        help="backgrounds that the lists give each foreground; default: 2",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="default: 0")
    args = parser.parse_args()
    if args.side > LARGEST_SIDE:
        parser.error(f"--side: must be at most {LARGEST_SIDE}, got {args.side}")
    photographs = [
        path
        for path in image_files(args.photo_dir)
        if fnmatch(path.stem, args.only) and not fnmatch(path.stem, args.skip)
    ]
    if len(photographs) < 2:
        raise DataError(
            f"{args.photo_dir}: needs at least two photographs that --only '{args.only}' takes and "
            f"--skip '{args.skip}' leaves, got {len(photographs)}."
        )
    names = make_sample_foregrounds(
        photographs,
        args.out_dir,
        num_each=args.num_each,
        side=args.side,
        seed=args.seed,
        per_foreground=args.per_foreground,
    )
    print(f"{args.out_dir}: {len(names)} foregrounds of {len(photographs)} photographs")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
