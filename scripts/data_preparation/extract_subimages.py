"""Crop large images into sub-images, small files that training reads quickly.

OUTPUT gets <name>_s001<extension> and so on of each image, in its format, depth and channels, and
.smoothkit.jsonl, which notes what each was made from. Every x2, x3, x4 and x8 in a name is left
out. Images with an EXIF orientation are cropped upright, those with a palette become colours. A
second run makes only what is missing, or was made from other images or by other settings, and
removes what a former one made besides. Images that cannot be used are left out, and named at the
end with exit code 2.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import add_derived, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.data.prepare.derive import derive
from smoothkit.data.prepare.subimages import PRESETS, Crops, TooSmallError

DEFAULTS = Crops()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_derived(parser)
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="crop and step: " + ", ".join(f"{n} {c}/{s}" for n, (c, s) in PRESETS.items()),
    )
    parser.add_argument(
        "--crop_size",
        type=whole_number(1),
        help=f"side in pixels; default: that of --preset, else {DEFAULTS.crop_size}",
    )
    parser.add_argument(
        "--step",
        type=whole_number(1),
        help=f"pixels from crop to crop; default: that of --preset, else {DEFAULTS.step}",
    )
    parser.add_argument(
        "--thresh_size",
        type=whole_number(0),
        default=DEFAULTS.thresh_size,
        help="pixels at the end of a side that may be left uncovered; default: %(default)s",
    )
    parser.add_argument(
        "--compression_level",
        type=int,
        choices=range(10),
        default=DEFAULTS.compression_level,
        metavar="0-9",
        help="of PNGs; default: %(default)s",
    )
    parser.add_argument(
        "--skip_small",
        action="store_true",
        help="images that are smaller than the crop are no fault, but counted only",
    )
    args = parser.parse_args()
    setup_logging()
    crop_size, step = PRESETS.get(args.preset, (DEFAULTS.crop_size, DEFAULTS.step))
    crops = Crops(
        args.crop_size or crop_size, args.step or step, args.thresh_size, args.compression_level
    )
    done = derive(
        crops,
        args.input,
        args.output,
        is_recursive=args.recursive,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    small = [fault for fault in done.faults if isinstance(fault, TooSmallError)]
    faults = [fault for fault in done.faults if not (args.skip_small and fault in small)]
    for fault in faults:
        print(fault, file=sys.stderr)
    told = f", {len(small)} smaller than {crops.crop_size}x{crops.crop_size}"
    print(f"{args.output}: {done.results} sub-images, {done.made} new{told if small else ''}")
    return 2 if faults else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
