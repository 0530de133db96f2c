"""Pack a folder of images into an lmdb that this package and BasicSR read.

OUTPUT gets data.mdb, meta_info.txt and .smoothkit.jsonl, which notes what it was made from; keys
are the paths below INPUT without extension. One large file helps on network disks. An lmdb that is
up to date is left, one of other images or settings is made anew.
"""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from smoothkit.cli.process import run_command
from smoothkit.core.log import setup_logging
from smoothkit.data.lmdb_store import Encoding, create_lmdb
from smoothkit.data.store import open_store


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # The second names are those of the other tools here.
    parser.add_argument(
        "--input", "--input_dir", required=True, metavar="DIR", help="folder of images"
    )
    parser.add_argument("--output", "--out", required=True, metavar="DIR", help="<name>.lmdb")
    parser.add_argument("--recursive", action="store_true", help="take the folders inside too")
    parser.add_argument(
        "--encoding",
        choices=get_args(Encoding),
        default="png",
        help="bmp: twice as large, thirty times as fast to read, 8 bits only; keep: the files as "
        "they are, which palette label maps need; default: %(default)s",
    )
    parser.add_argument(
        "--compress_level",
        type=int,
        choices=range(10),
        default=1,
        metavar="0-9",
        help="of PNGs; default: %(default)s",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make it anew, also where no note tells of it"
    )
    args = parser.parse_args()
    setup_logging()
    source = open_store(args.input, option="--input", is_recursive=args.recursive)
    is_made = create_lmdb(
        source,
        args.output,
        encoding=args.encoding,
        compress_level=args.compress_level,
        overwrite=args.overwrite,
    )
    print(f"{args.output}: {len(source.names)} images {'written' if is_made else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
