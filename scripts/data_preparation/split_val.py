"""Move a random tenth of the training pairs to a validation folder.

The same seed gives the same draw, also after a run that was cut short.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.arguments import fraction
from smoothkit.cli.process import run_command
from smoothkit.data.prepare.splitting import split_val


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train_dir", required=True, help="folder of pairs")
    parser.add_argument("--val_dir", required=True, help="folder beside it, made where missing")
    parser.add_argument(
        "--fraction", type=fraction, default=0.1, help="rounded down; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args()
    moved = split_val(args.train_dir, args.val_dir, fraction=args.fraction, seed=args.seed)
    print(f"{args.val_dir}: {len(moved)} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
