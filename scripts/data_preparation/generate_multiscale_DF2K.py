"""Make smaller copies of large images: <name>T0.png to <name>T3.png.

T0, T1 and T2 have 3/4, 1/2 and 1/3 of the sides, T3 a short side of 400 pixels; the filter is
Pillow's Lanczos. Grey, alpha and 16 bits stay (but not both of the last), palettes become colours,
and images with an EXIF orientation become upright. OUTPUT/.smoothkit.jsonl notes what each was made
from: a second run makes only what is missing, or was made from other images. Images that cannot be
used are left out, and named at the end with exit code 2.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import add_derived
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.data.prepare.derive import derive
from smoothkit.systems.hggt_enhance.prepare.multiscale import Multiscale


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_derived(parser)
    args = parser.parse_args()
    setup_logging()
    done = derive(
        Multiscale(),
        args.input,
        args.output,
        is_recursive=args.recursive,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    for fault in done.faults:
        print(fault, file=sys.stderr)
    print(f"{args.output}: {done.results} images, {done.made} new")
    return 2 if done.faults else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
