"""Make a miniature HGGT folder of photographs: versions by sharpening, labels by rule.

OUT_DIR gets images/{original,01,02,03,04} and labels/{A,B,C}. It is there to try the commands on,
not to report figures on.
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatch

from smoothkit.cli.process import run_command
from smoothkit.data.store import image_files
from smoothkit.systems.hggt_sr.labels import counts, read_labels
from smoothkit.systems.hggt_sr.samples import make_sample_hggt


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photo_dir", required=True, help="folder of images")
    parser.add_argument("--out_dir", required=True, help="gets images and labels")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="names to take; default: *")
    parser.add_argument("--skip", default="", metavar="PATTERN", help="names to leave out")
    args = parser.parse_args()
    photographs = [
        path
        for path in image_files(args.photo_dir)
        if fnmatch(path.stem, args.only) and not fnmatch(path.stem, args.skip)
    ]
    make_sample_hggt(photographs, args.out_dir)
    found = counts(read_labels(f"{args.out_dir}/labels"))
    print(f"{args.out_dir}: {', '.join(f'{what} {count}' for what, count in found.items())}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
