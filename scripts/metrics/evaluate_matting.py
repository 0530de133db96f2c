"""Measure alpha mattes against ground truths: SAD, MSE, Grad and Conn.

Files belong together by name, whatever their extension; a ground truth or trimap NAME also serves
NAME_0, NAME_1, ... as in Composition-1k. OUT_DIR gets metrics.csv (a row an image) and metrics.json
(mean, spread, count). SAD, Grad and Conn are in thousands; MSE is plain.

Beside every figure stand twelve digits of a hash of the trimaps that it was measured with: figures
of other trimaps are not to be compared with it. python -m smoothkit.test writes the same digits.
Exits with 2 where something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.data.store import open_store

METRICS = ("sad", "mse", "grad", "conn")


def main() -> int:
    from smoothkit.systems.lsa.metric import Definition, Region

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pred_dir", required=True, help="folder of mattes, 8 or 16 bits")
    parser.add_argument("--gt_dir", required=True, help="folder of true mattes")
    parser.add_argument("--trimap_dir", required=True, help="folder of trimaps: 0, 128, 255")
    parser.add_argument(
        "--definition",
        choices=get_args(Definition),
        default="common",
        help="of the metrics: the widely used one, or that of LSA's published code; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--region",
        choices=get_args(Region),
        help="where errors are summed up; default: as the definition has it",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        action=Gather,
        choices=METRICS,
        default=METRICS,
        help="default: all of them",
    )
    parser.add_argument(
        "--snap",
        action="store_true",
        help="take trimap levels below 50 as background, above 200 as foreground and others as "
        "unknown ('levels: snap' of an option file); default: refuse other levels than 0, 128, 255",
    )
    parser.add_argument("--title", help="of the table; default: name of PRED_DIR")
    parser.add_argument("--out_dir", help="default: results/evaluation/TITLE")
    parser.add_argument("--workers", type=whole_number(1), help="threads; default: one a core")
    return evaluate(parser.parse_args())


def evaluate(args: argparse.Namespace) -> int:
    """Measure, write and tell."""
    from smoothkit.engine.tables import write_tables
    from smoothkit.systems.lsa.evaluation import Stores, evaluate_mattes

    options = {"definition": args.definition, "region": args.region}
    table, skipped = evaluate_mattes(
        Stores(
            open_store(args.pred_dir, option="--pred_dir"),
            open_store(args.gt_dir, option="--gt_dir"),
            open_store(args.trimap_dir, option="--trimap_dir"),
        ),
        {name: {"type": f"matting_{name}", **options} for name in dict.fromkeys(args.metrics)},
        args.title or Path(args.pred_dir).resolve().name,
        levels="snap" if args.snap else "refuse",
        workers=args.workers,
    )
    chosen = {key: value for key, value in options.items() if value}
    table.facts = {**table.facts, **chosen}
    write_tables([table], Path(args.out_dir or Path("results/evaluation") / table.dataset))
    print(table.line())
    for reason in skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    return 2 if skipped else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
