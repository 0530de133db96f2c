"""Make a small data set in VOC's layout from photographs, with masks by a classical segmentation.

OUT_DIR gets JPEGImages, where photographs keep their format if it is PNG or JPEG, and
SegmentationClass with palette PNGs. A class is a kind of colour; it is there to try the commands
on, not to report figures on.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.systems.csgis.samples import make_sample_voc


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photo_dir",
        required=True,
        nargs="+",
        action=Gather,
        metavar="DIR",
        help="folders of images, which get classes in common",
    )
    parser.add_argument("--out_dir", required=True, help="gets the results")
    parser.add_argument(
        "--num_classes",
        type=whole_number(2),
        default=6,
        help="the background included, up to 255; default: %(default)s",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="default: %(default)s")
    parser.add_argument("--workers", type=whole_number(1), help="threads; default: one a core")
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    if args.num_classes > 255:
        parser.error(f"--num_classes: must be at most 255, got {args.num_classes}")
    shares = make_sample_voc(
        args.photo_dir,
        args.out_dir,
        num_classes=args.num_classes,
        seed=args.seed,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    told = ", ".join(f"{number} {share:.0%}" for number, share in enumerate(shares))
    print(f"{args.out_dir}: {len(shares)} classes ({told})")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
