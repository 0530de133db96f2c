"""List the images of folders in a file: a path a line, relative to a root, as BasicSR reads them.

Folders come in the given order, their images by name; folders inside them do not take part. A list
that is there already is not replaced, unless this command wrote it and the images have changed.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.data.prepare.meta_info import write_meta_info


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--input", required=True, nargs="+", action=Gather, metavar="DIR", help="folders of images"
    )
    parser.add_argument(
        "--root",
        required=True,
        nargs="+",
        action=Gather,
        metavar="DIR",
        help="for each --input the folder that its paths are relative to",
    )
    parser.add_argument("--meta_info", required=True, metavar="FILE", help="the list")
    parser.add_argument(
        "--check",
        action="store_true",
        help="decode every image; leave those out, and name them, that cannot be read",
    )
    parser.add_argument(
        "--workers", type=whole_number(1), help="images at a time; default: one a core"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a list that no note tells of"
    )
    args = parser.parse_args()
    setup_logging()
    if len(args.input) != len(args.root):
        parser.error(f"--root: {len(args.input)} are needed, as of --input, got {len(args.root)}")
    done = write_meta_info(
        args.input,
        args.root,
        args.meta_info,
        check=args.check,
        workers=args.workers,
        overwrite=args.overwrite,
    )
    for fault in done.faults:
        print(f"left out: {fault}", file=sys.stderr)
    left_out = f", {len(done.faults)} left out" if done.faults else ""
    state = "" if done.is_new else ", up to date"
    print(f"{args.meta_info}: {done.names} images{left_out}{state}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
