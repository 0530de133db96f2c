"""Put sets of patches into shuffled groups, one for each annotator.

IMG_PATH has 'original' and a folder for each version, such as '01', whose files are called like the
original with the folder's name behind, as patch_select.py makes them. SAVE_PATH gets
<NN>_subdir/images<start>-<end>/ with the same folders, <NN>_subdir/labels<start>-<end>/tagging/ for
the labels, and <NN>_subdir/img_info_<start>-<end>.txt with the names.

A run that was cut short is completed by running it again. Other sets, another seed or other sizes
need another folder.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.systems.hggt_enhance.prepare.regroup import regroup


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--img_path", required=True, help="folder of original, 01, 02, ...")
    parser.add_argument("--save_path", required=True, help="gets the groups")
    parser.add_argument(
        "--num_imgs", type=whole_number(1), default=1000, help="sets of a group; default: 1000"
    )
    parser.add_argument(
        "--shuffle_nums",
        type=whole_number(0),
        default=3,
        help="how many times the list is shuffled; default: 3",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="of the shuffling; default: 0"
    )
    parser.add_argument(
        "--link",
        choices=("symbolic", "hard"),
        help="link the files; hard links on another file system become copies; default: copy",
    )
    parser.add_argument(
        "--workers", type=whole_number(1), help="copies at a time; default: one a core"
    )
    args = parser.parse_args()
    setup_logging()
    groups = regroup(
        args.img_path,
        args.save_path,
        num_imgs=args.num_imgs,
        shuffle_nums=args.shuffle_nums,
        seed=args.seed,
        link=args.link,
        workers=args.workers,
    )
    for group in groups:
        print(f"{args.save_path}/{group.images}: {len(group.sets)} sets")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
