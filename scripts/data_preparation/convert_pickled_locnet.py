"""Turn a published LocNet_TR.pth, a whole pickled module, into a plain state dict.

This RUNS THE CODE that the file holds. Do it only with a file of those whom you trust, and say so
with --trust.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.process import run_command


def main() -> int:
    from smoothkit.systems.hggt_sr.prepare import convert_pickled_network

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="LocNet_TR.pth")
    parser.add_argument("target", metavar="OUT.pth")
    parser.add_argument("--trust", action="store_true", help="I trust those who made the file")
    args = parser.parse_args()
    if not args.trust:
        parser.error("loading this file runs its code; add --trust where you trust its makers")
    print(f"{args.target}: {convert_pickled_network(args.source, args.target)} entries")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
