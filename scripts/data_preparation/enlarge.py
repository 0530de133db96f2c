"""Enlarge a folder of images by bicubic interpolation, as Matlab does: what to compare with."""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command


def main() -> int:
    from smoothkit.systems.hggt_sr.low_quality import enlarge_folder

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lq_dir", required=True, help="folder of images")
    parser.add_argument("--out_dir", required=True, help="gets <name>_<suffix>.png of each")
    parser.add_argument("--scale", type=whole_number(1), default=4, help="default: 4")
    parser.add_argument("--suffix", default="bicubic", help="default: bicubic")
    args = parser.parse_args()
    made = enlarge_folder(args.lq_dir, args.out_dir, args.scale, suffix=args.suffix)
    count = sum(1 for _ in tqdm(made, unit="image", disable=not sys.stderr.isatty()))
    print(f"{args.out_dir}: {count} images")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
