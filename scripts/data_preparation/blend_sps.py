"""Blend textures with ground truths into training pairs, edge maps and a map of numbers.

OUT_DIR gets train/<t * N + b>.png (ground truth b left, with texture t right; N ground truths, both
in name order), edge/<b>.png and map.txt. A second run makes only what is missing or was made from
other images, and removes what it no longer makes.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.core.parallel import parse_shard
from smoothkit.data.prepare.blending import blend_folder


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tx_dir", required=True, help="folder of textures")
    parser.add_argument("--bg_dir", required=True, help="folder of ground truths")
    parser.add_argument("--out_dir", required=True, help="gets the results")
    parser.add_argument(
        "--edge_channel",
        choices=["blue", "gray"],
        default="blue",
        help="what edges are taken from; default: %(default)s, as in the published data",
    )
    parser.add_argument("--map_file", help="a map.txt whose numbers are kept")
    parser.add_argument("--workers", type=whole_number(1), help="threads; default: one a core")
    parser.add_argument(
        "--shard", default="1/1", metavar="I/N", help="this machine's part: the I-th of N"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    count = blend_folder(
        args.tx_dir,
        args.bg_dir,
        args.out_dir,
        edge_channel=args.edge_channel,
        map_file=args.map_file,
        workers=args.workers,
        shard=parse_shard(args.shard),
        overwrite=args.overwrite,
    )
    print(f"{args.out_dir}: {count} pairs written")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
