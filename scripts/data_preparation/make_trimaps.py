"""Make trimaps of a folder of alphas, or of rough masks.

OUT_DIR/.smoothkit.jsonl notes the rule, the seed and the radii of each image. Each image has random
numbers of its own, from the seed and its name. A second run makes only what is missing, or was made
from other sources or by another rule. Images that cannot be used are left out, and named at the
end.
"""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.systems.lsa.trimap import LARGEST_RADIUS, LEAST_RADIUS
from smoothkit.systems.lsa.trimaps import AlphaRule, MaskRule, make_trimaps


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sources = parser.add_mutually_exclusive_group(required=True)
    sources.add_argument("--alpha_dir", help="folder of alphas")
    sources.add_argument("--mask_dir", help="folder of masks, of which 128 and more is inside")
    parser.add_argument("--out_dir", required=True, help="gets a PNG of the same name for each")
    parser.add_argument(
        "--radius",
        type=whole_number(0),
        nargs="+",
        action=Gather,
        metavar="PIXELS",
        help="of alphas: how far from fractional pixels is unknown; two numbers are a range, from "
        f"which background and foreground draw; default: {LEAST_RADIUS} {LARGEST_RADIUS}",
    )
    parser.add_argument("--seed", type=whole_number(0), help="of alphas: of the draws; default: 0")
    parser.add_argument(
        "--threshold",
        type=whole_number(0),
        help="of alphas: levels at most this far from 0 or 255 count as such; default: 0, the "
        "published rule for ground truths, where only 255 is foreground; give 8 for estimated "
        "alphas, which seldom reach 255",
    )
    parser.add_argument(
        "--erode", type=whole_number(0), help="of masks: unknown pixels inwards; default: 10"
    )
    parser.add_argument(
        "--dilate", type=whole_number(0), help="of masks: unknown pixels outwards; default: 10"
    )
    parser.add_argument(
        "--workers", type=whole_number(1), help="images at a time; default: one a core"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    rule = rule_of(args, parser)
    source = args.alpha_dir or args.mask_dir
    done = make_trimaps(source, args.out_dir, rule, workers=args.workers, overwrite=args.overwrite)
    count = 0
    for path, note in tqdm(done, unit="image", disable=not sys.stderr.isatty()):
        count += 1
        if note is not None:
            print(f"{path}: {note}", file=sys.stderr)
    print(f"{args.out_dir}: {count} trimaps")
    return 0


def rule_of(args: argparse.Namespace, parser: argparse.ArgumentParser) -> AlphaRule | MaskRule:
    """The rule that the arguments describe; those of the other kind of source are refused."""
    if args.mask_dir:
        if (args.radius, args.seed, args.threshold) != (None, None, None):
            parser.error(
                "--radius, --seed, --threshold: go with --alpha_dir; masks take --erode, --dilate"
            )
        widths = {"erode": args.erode, "dilate": args.dilate}
        return MaskRule(**{name: width for name, width in widths.items() if width is not None})
    if args.erode is not None or args.dilate is not None:
        parser.error("--erode, --dilate: go with --mask_dir; alphas take --radius")
    radius = args.radius or [LEAST_RADIUS, LARGEST_RADIUS]
    if len(radius) > 2:
        parser.error(f"--radius: must be one or two rising numbers, got {radius}")
    try:
        return AlphaRule(radius[0], radius[-1], args.seed or 0, args.threshold or 0)
    except ValueError as error:
        parser.error(f"--{error}")


if __name__ == "__main__":
    sys.exit(run_command(main))
