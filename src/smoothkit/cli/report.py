"""Show training runs side by side in one HTML file: curves, pictures, options."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "experiments",
        nargs="+",
        metavar="EXPERIMENT",
        help="folder of a training run, or its name below experiments/",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="the page; default: report.html in the folder of the first run",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page and print its path."""
    from smoothkit.core.files import write_text
    from smoothkit.core.log import setup_logging
    from smoothkit.engine.report import report
    from smoothkit.engine.report_runs import read_runs

    setup_logging()
    runs = read_runs(args.experiments)
    out = args.out or runs[0].folder / "report.html"
    write_text(out, report(runs))
    print(out)
    return 0
