"""Write sample photographs and textures, split into train and test; nothing is downloaded.

The folders are OUT_DIR/{train,test}/{photographs,textures}. Test shares neither a photograph nor a
piece of texture with train. With SMOOTHKIT_QUICK=1 the defaults make a few small images.
"""

from __future__ import annotations

import argparse
import os
import sys

from smoothkit.cli.arguments import Gather
from smoothkit.cli.process import run_command
from smoothkit.data.samples import PHOTOGRAPHS, TEST_PHOTOGRAPHS, make_samples


def main() -> int:
    is_quick = os.environ.get("SMOOTHKIT_QUICK") == "1"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out_dir", default="datasets/samples", help="default: %(default)s")
    parser.add_argument(
        "--test_photographs",
        nargs="+",
        action=Gather,
        default=TEST_PHOTOGRAPHS,
        choices=sorted(PHOTOGRAPHS),
        metavar="NAME",
        help=f"photographs kept for testing, of {', '.join(PHOTOGRAPHS)}; "
        f"default: {' '.join(TEST_PHOTOGRAPHS)}",
    )
    parser.add_argument(
        "--sides",
        nargs=2,
        type=int,
        default=(128, 160) if is_quick else (256, 400),
        metavar=("SHORTEST", "LONGEST"),
        help="sides of a photograph in pixels; default: 256 400",
    )
    parser.add_argument(
        "--textures_per_kind",
        type=int,
        default=4,
        help="drawn textures of each kind for training, a quarter of it for testing; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=4 if is_quick else None,
        help="at most this many photographs and textures for training, and for testing",
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args()
    for name, split in make_samples(**{**vars(args), "sides": tuple(args.sides)}).items():
        print(
            f"{args.out_dir}/{name}: {len(split.photographs)} photographs, "
            f"{len(split.textures)} textures"
        )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
