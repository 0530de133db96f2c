"""Enhanced versions of a folder of photographs, for people to compare.

OUT_DIR gets original/<stem>.png and for each version a folder, such as 01/<stem>_01.png: 8-bit RGB,
upright. Versions are networks or filters, from a YAML file:

  versions:
    - {folder: "01", weights: RCAN_01.pth, tile_size: 1024, tile_pad: 24}
    - {folder: "02", method: unsharp, options: {amount: 1.2}}

A second run makes what is missing or was made of something else. Several machines share the work by
--shard, several GPUs by torchrun.
"""

from __future__ import annotations

import argparse
import os
import sys

from smoothkit.cli.arguments import add_arithmetic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Photographs, output, versions, and where networks run."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--photo_dir", required=True, help="folder of photographs")
    parser.add_argument("--out_dir", required=True, help="gets original, 01, 02, ...")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--versions", metavar="FILE.yml", help="the versions to make")
    choice.add_argument(
        "--preset",
        choices=("hggt", "classical"),
        help="hggt: the paper's four networks; classical: four filters, which need no weights",
    )
    add_arithmetic(parser)
    parser.add_argument(
        "--shard", default="1/1", metavar="I/N", help="this machine's part: the I-th of N"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )


def run(args: argparse.Namespace) -> int:
    """Make them; 2 where one could not be made."""
    from tqdm import tqdm

    from smoothkit.core.log import setup_logging
    from smoothkit.core.parallel import parse_shard
    from smoothkit.systems.hggt_enhance.prepare.enhanced_gt import make_enhanced_gt
    from smoothkit.systems.hggt_enhance.prepare.versions import PRESETS, read_versions

    shard, device = parse_shard(args.shard), args.device
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun: one process for each GPU
        rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        shard = ((shard[0] - 1) * count + rank + 1, shard[1] * count)
        device = f"cuda:{os.environ['LOCAL_RANK']}" if device == "auto" else device
    setup_logging()
    versions = PRESETS[args.preset]() if args.preset else read_versions(args.versions)
    total, done = make_enhanced_gt(
        args.photo_dir, args.out_dir, versions,
        device=device, amp=args.amp, shard=shard, overwrite=args.overwrite,
    )  # fmt: skip
    made = there = skipped = 0
    for picture in tqdm(done, total=total, unit="picture", disable=not sys.stderr.isatty()):
        made += picture.is_new
        there += not picture.is_new and not picture.reason
        if picture.reason:
            skipped += 1
            print(f"skipped: {picture.reason}", file=sys.stderr)
    print(f"{args.out_dir}: {made} pictures made, {there} already there, {skipped} skipped")
    return 2 if skipped else 0
