"""Compare alpha mattes with those of methods that need no training, on a test set with alphas.

OUT_DIR gets the mattes of each method, a table in comparison.json and a picture of some images.
Methods: trimap (one half where it is unknown), and closed_form and knn by pymatting. SAD, Grad and
Conn are in thousands, MSE is times a thousand; all over the unknown pixels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.errors import DataError
from smoothkit.core.log import setup_logging


def main() -> int:
    from smoothkit.systems.lsa.classical import METHODS
    from smoothkit.systems.lsa.comparison import compare, read_test_set, report, write_comparison

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", required=True, help="has merged, trimaps and alpha_copy")
    parser.add_argument(
        "--methods", nargs="*", action=Gather, choices=tuple(METHODS), default=list(METHODS)
    )
    parser.add_argument(
        "--results",
        nargs="*",
        action=Gather,
        default=[],
        metavar="NAME=DIR",
        help="mattes that are there already",
    )
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--num_shown", type=whole_number(1), default=4, help="rows; default: 4")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="make all mattes anew, also where no note tells of a file",
    )
    args = parser.parse_args()
    setup_logging()
    test_set = read_test_set(args.data_dir)
    folders = {name: Path(args.out_dir) / name for name in args.methods}
    for name, folder in folders.items():
        made = test_set.estimate(name, folder, overwrite=args.overwrite)
        list(tqdm(made, name, total=len(test_set.names), disable=not sys.stderr.isatty()))
    for name, folder in map(_named, args.results):
        if name in folders:
            raise DataError(f"--results {name}={folder}: this name is taken. Give another.")
        folders[name] = folder
    if not folders:
        raise DataError("nothing to compare: give --methods or --results.")
    comparison = compare(test_set, folders)
    print(report(comparison))
    write_comparison(comparison, test_set, folders, args.out_dir, args.num_shown)
    print(Path(args.out_dir) / "comparison.png")
    return 0


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise DataError(f"--results {text}: must be NAME=DIR.")
    return name, Path(folder)


if __name__ == "__main__":
    sys.exit(run_command(main))
