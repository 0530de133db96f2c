"""Make the foregrounds of a matting data set locally smooth, as LSA matting is trained on them.

OUT_DIR gets <stem>.png of each foreground. A second run makes only what is missing, or was made
from other foregrounds or alphas or with other settings. Images that cannot be used are left out,
and named at the end.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging


def main() -> int:
    from smoothkit.systems.lsa.prepare import INITS, reestimate_foregrounds

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fg_dir", required=True, help="folder of foregrounds")
    parser.add_argument(
        "--alpha_dir", required=True, help="folder of alphas, called as their foregrounds"
    )
    parser.add_argument("--out_dir", required=True, help="gets the results, such as kappa_fg")
    parser.add_argument(
        "--kappa", type=float, default=1.0, help="weight of smoothness; default: %(default)s"
    )
    parser.add_argument(
        "--scales", type=whole_number(1), default=6, help="octaves; default: %(default)s"
    )
    parser.add_argument(
        "--iterations",
        type=whole_number(1),
        default=20,
        help="at full size, twice as many at each coarser scale; default: %(default)s",
    )
    parser.add_argument(
        "--init",
        choices=INITS,
        default=INITS[0],
        help="start: the foreground (default), its product with alpha, or, for photographs in "
        "which the background still shows, pymatting's multi-level estimate in its place",
    )
    parser.add_argument(
        "--truncate", action="store_true", help="cut levels off, as the published code does"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--workers", type=whole_number(1), help="images at a time; default: one a core"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make all anew, also where no note tells of a file"
    )
    args = parser.parse_args()
    setup_logging()
    made = reestimate_foregrounds(**vars(args))
    print(f"{args.out_dir}: {sum(1 for _ in made)} images written")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
