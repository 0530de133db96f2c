"""Copy the images that a list names, such as the backgrounds of training_bg_names.txt from COCO.

The list has a name on each line. Where images are missing, that is told and nothing is copied.
Images that are there already are left alone.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.process import run_command
from smoothkit.systems.lsa.listed import copy_listed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", required=True, metavar="FILE", help="names, a line each")
    parser.add_argument("--source_dir", required=True, help="folder of images, such as train2014")
    parser.add_argument("--out_dir", required=True, help="made where missing, such as coco_bg")
    parser.add_argument(
        "--link", action="store_true", help="give files second names instead of copying them"
    )
    args = parser.parse_args()
    count = copy_listed(
        args.list, args.source_dir, args.out_dir, way="link" if args.link else "copy"
    )
    print(f"{args.out_dir}: {count} images written")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
