"""Cut patches out of images and their enhanced versions, where there is contrast and detail.

IMG_PATH has 'original' and a folder for each version, such as '01', whose files are called like the
original with the folder's name behind: original/a.png, 01/a_01.png. SAVE_PATH gets the same folders
of patches, named a-<row>-<column>.png, crop_area_info.txt with the difference and number of each
set, and contact.html, a page of what was kept and left out; .cells/a.json has the figures of all
that was tried.

Images are 8-bit colours, upright: grey and palettes become colours, transparency is dropped, of 16
bits the upper 8 are kept, rotations of the EXIF are carried out; in all folders alike.

The published instructions end with a step by hand: remove sets whose versions hardly differ from
the original. --min_dist does it; the numbers that it would leave out are printed, and a second run
with it removes them. A version that is only sharper has a
mean difference near 0 of both signs: --distance absolute measures it.

A run that was cut short is completed by running it again. SAVE_PATH/.smoothkit.jsonl notes what
each file was made from: a second run makes only what is missing, or was made from other images, by
another seed or by other settings, and removes patches that are not chosen any more.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.systems.hggt_enhance.prepare.min_dist import MinDist, counts, parse_min_dist
from smoothkit.systems.hggt_enhance.prepare.patch_cells import Rule
from smoothkit.systems.hggt_enhance.prepare.patch_select import select_patches


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--img_path", required=True, help="folder of original, 01, 02, ...")
    parser.add_argument("--save_path", required=True, help="gets the same folders, of patches")
    parser.add_argument(
        "--crop_size", type=whole_number(2), default=512, help="side of a patch; default: 512"
    )
    parser.add_argument(
        "--step_size",
        type=whole_number(1),
        default=288,
        help="of the grid, whose cells are shifted by up to 16 pixels; default: 288",
    )
    parser.add_argument(
        "--cont_var_thresh",
        type=whole_number(0),
        default=30,
        help="least standard deviation of the grey levels; default: 30",
    )
    parser.add_argument(
        "--freq_var_thresh",
        type=whole_number(0),
        default=30,
        help="least variance of their Laplacian; default: 30",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of the draws; default: 0")
    parser.add_argument(
        "--laplacian",
        choices=("clipped", "signed"),
        default="clipped",
        help="clipped to 0 to 255 as published (default), or with its negative half",
    )
    parser.add_argument(
        "--distance",
        choices=("signed", "absolute"),
        default="signed",
        help="of a version: its mean difference from the original, in which both signs cancel, as "
        "published (default), or the mean of the absolute difference",
    )
    parser.add_argument(
        "--min_dist",
        type=min_dist,
        metavar="D",
        help="leave out sets whose versions all differ by less than D from 0 to 255, such as 1.5, "
        "or that are in the lowest part of all, such as q0.2; default: none are left out",
    )
    parser.add_argument(
        "--skip_small", action="store_true", help="go on without images smaller than a patch"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    parser.add_argument("--workers", type=whole_number(1), help="threads; default: one a core")
    args = parser.parse_args()
    setup_logging()
    rule = Rule(
        args.crop_size,
        args.step_size,
        args.cont_var_thresh,
        args.freq_var_thresh,
        args.laplacian,
        args.distance,
    )
    selection = select_patches(
        args.img_path,
        args.save_path,
        rule,
        seed=args.seed,
        min_dist=args.min_dist,
        skip_small=args.skip_small,
        overwrite=args.overwrite,
        workers=args.workers,
    )
    distances, kept = selection.distances, len(list(selection.chosen()))
    flat = len(list(selection.tried())) - len(distances)
    print(f"{args.save_path}: {kept} sets of {len(selection.jobs)} images")
    print(f"left out: {flat} by the thresholds, {len(distances) - kept} by --min_dist")
    if distances:
        print(f"--min_dist would leave out, of {len(distances)} sets:")
        for choice, threshold, count in counts(distances):
            print(f"{choice:>6}  (below {threshold:8.4f})  {count:6d}")
    return 0


def min_dist(text: str) -> MinDist:
    """What argparse reads ``--min_dist`` with."""
    try:
        return parse_min_dist(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(run_command(main))
