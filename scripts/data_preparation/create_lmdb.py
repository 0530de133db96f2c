"""Pack a folder of images into an lmdb that this package and BasicSR read.

OUT gets data.mdb and meta_info.txt. One large file helps on network disks.
"""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from smoothkit.cli.process import run_command
from smoothkit.data.lmdb_store import Encoding, create_lmdb
from smoothkit.data.store import open_store


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input_dir", required=True, help="folder of images")
    parser.add_argument("--out", required=True, help="<name>.lmdb, which must not be there yet")
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
    args = parser.parse_args()
    source = open_store(args.input_dir, option="--input_dir", is_recursive=args.recursive)
    count = create_lmdb(
        source, args.out, encoding=args.encoding, compress_level=args.compress_level
    )
    print(f"{args.out}: {count} images written")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
