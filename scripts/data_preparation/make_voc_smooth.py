"""Make VOC-smooth of VOC's folders and textures: pairs, edges, masks, over-smoothed images.

OUT_DIR gets train, val and val_small with pairs <t * N + b>.png (ground truth b left, with texture
t right; N ground truths), gt, edge, seg and over with <b>.png, and map.txt with the number b of
each image. Without --gt_dir and --over_dir, photographs are filtered into ground truths and
over-smoothed images. A second run makes only what is missing or was made from other images or
with other settings, and removes what it no longer makes.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from smoothkit.cli.arguments import Gather, fraction, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.ops.filters import describe_filters
from smoothkit.ops.labels import IGNORE
from smoothkit.systems.csgis.over_smoothed import STRONG_FILTERS
from smoothkit.systems.csgis.plan import GT_FILTER, NUM_VAL_SMALL, Recipe
from smoothkit.systems.csgis.prepare import Summary, make_voc_smooth
from smoothkit.systems.csgis.voc import MASKS, NUM_GT, PHOTOGRAPHS, Sources

FILTER = "NAME:SETTING=NUMBER"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"Filters and their settings:\n{describe_filters()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_sources(parser)
    add_recipe(parser)
    parser.add_argument("--out_dir", required=True, help="gets the results")
    parser.add_argument("--workers", type=whole_number(1), help="threads; default: one a core")
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    if args.gt_dir and args.gt_filter:
        parser.error("--gt_filter: makes ground truths, which --gt_dir gives; leave one out")
    if args.over_dir and args.over_filters:
        parser.error("--over_filters: make what --over_dir gives; leave one of them out")
    if args.map_file and (args.names or args.num_gt):
        parser.error("--map_file: says which images take part; leave out --names and --num_gt")
    sources = Sources(
        args.voc_dir,
        args.tx_dir,
        gt_dir=args.gt_dir,
        over_dir=args.over_dir,
        names=args.names,
        num_gt=args.num_gt,
        map_file=args.map_file,
    )
    recipe = Recipe(
        gt_filter=args.gt_filter or GT_FILTER,
        over_filters=args.over_filters or STRONG_FILTERS,
        val_fraction=args.val_fraction,
        num_val_small=args.num_val_small,
        edge_channel=args.edge_channel,
        num_classes=args.num_classes,
        seed=args.seed,
    )
    made = make_voc_smooth(
        sources,
        args.out_dir,
        recipe,
        workers=args.workers,
        warn=partial(print, file=sys.stderr),
        overwrite=args.overwrite,
    )
    tell(args.out_dir, made)
    if made.left_out:
        few = ", ".join(made.left_out[:3]) + (", ..." if len(made.left_out) > 3 else "")
        where = args.gt_dir or MASKS
        print(f"{args.names}: {len(made.left_out)} names that {where} does not have: {few}")
    return 0


def add_sources(parser: argparse.ArgumentParser) -> None:
    """What the data set is made from."""
    parser.add_argument(
        "--voc_dir",
        required=True,
        help=f"has {PHOTOGRAPHS} and {MASKS}, such as VOCdevkit/VOC2012",
    )
    parser.add_argument("--tx_dir", required=True, help="folder of textures")
    parser.add_argument("--gt_dir", help="smooth images, named as VOC's; only these take part")
    parser.add_argument("--over_dir", help="over-smoothed images, named as VOC's")
    parser.add_argument(
        "--names", help="file of the names that may take part, as in VOC's ImageSets"
    )
    parser.add_argument(
        "--num_gt",
        type=whole_number(1),
        help=f"draw so many images; default: all of --gt_dir, else up to {NUM_GT}",
    )
    parser.add_argument(
        "--map_file", help="a map.txt whose images take part and keep their numbers"
    )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """How it is made."""
    parser.add_argument(
        "--gt_filter",
        metavar=FILTER,
        help=f"smooths photographs into ground truths; default: {GT_FILTER}",
    )
    parser.add_argument(
        "--over_filters",
        nargs="+",
        action=Gather,
        metavar=FILTER,
        help="one of them, drawn for each photograph, over-smooths it; "
        f"default: {' '.join(STRONG_FILTERS)}",
    )
    parser.add_argument(
        "--val_fraction",
        type=fraction,
        default=0.1,
        help="pairs that are not for training; default: %(default)s",
    )
    parser.add_argument(
        "--num_val_small",
        type=whole_number(0),
        help="of these go to val_small, the reference's test set; "
        f"default: {NUM_VAL_SMALL}, or half where there are few",
    )
    parser.add_argument(
        "--edge_channel",
        choices=["blue", "gray"],
        default="blue",
        help="what edges are taken from; default: %(default)s, as in the published data",
    )
    parser.add_argument(
        "--num_classes",
        type=whole_number(1),
        default=21,
        help="that masks may have, beside 255; default: %(default)s",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="default: %(default)s")


def tell(out_dir: str, made: Summary) -> None:
    """Print what the data set has."""
    counts = ", ".join(f"{folder} {count}" for folder, count in made.pairs.items())
    print(
        f"{out_dir}: {made.images} images, {made.textures} textures, "
        f"{made.images * made.textures} pairs ({counts}), {made.written} written now"
    )
    classes = ", ".join(str(number) for number in made.class_shares if number != IGNORE)
    print(f"classes in the masks: {classes}; ignored {made.class_shares.get(IGNORE, 0):.0%}")
    for label, count in made.filters.items():
        print(f"over-smoothed by {label}: {count}")


if __name__ == "__main__":
    sys.exit(run_command(main))
