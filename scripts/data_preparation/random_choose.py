"""Copy a number of images of a folder, drawn at random, into another.

The published experiments took 18735 sub-images of DF2K and OST, presumably as many as HGGT has sets
with a positive.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command


def main() -> int:
    from smoothkit.systems.hggt_sr.prepare import choose_images

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--imgpath", required=True, help="folder of images")
    parser.add_argument("--savepath", required=True, help="gets the chosen ones")
    parser.add_argument("--number", type=whole_number(1), default=18735, help="default: 18735")
    parser.add_argument("--seed", type=int, default=0, help="of the draw; default: 0")
    parser.add_argument("--link", action="store_true", help="link them; default: copy")
    args = parser.parse_args()
    way = "link" if args.link else "copy"
    chosen = choose_images(args.imgpath, args.savepath, args.number, seed=args.seed, way=way)
    print(f"{args.savepath}: {len(chosen)} images")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
