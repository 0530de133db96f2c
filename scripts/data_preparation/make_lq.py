"""Make low-quality test images as an option file degrades its training images.

Each image has random numbers of its own, from the seed and its name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from tqdm import tqdm

from smoothkit.cli.process import run_command
from smoothkit.core.errors import OptionError
from smoothkit.core.options import read_options


def main() -> int:
    from smoothkit.engine.published import in_our_form
    from smoothkit.systems.hggt_sr.low_quality import degrade_folder

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-opt", "--opt", required=True, help="file with 'degradation', 'scale'")
    parser.add_argument("--gt_dir", required=True, help="folder of images")
    parser.add_argument("--out_dir", required=True, help="gets an image of the same name for each")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    file, _ = in_our_form(read_options(args.opt))
    file.refuse_faults()
    options = file.data
    if not isinstance(options.get("degradation"), Mapping):
        raise OptionError(f"{args.opt}: has no section 'degradation', which says how to degrade.")
    made = degrade_folder(
        args.gt_dir, args.out_dir, options["degradation"], options.get("scale", 1), seed=args.seed
    )
    count = sum(1 for _ in tqdm(made, unit="image", disable=not sys.stderr.isatty()))
    print(f"{args.out_dir}: {count} images")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
