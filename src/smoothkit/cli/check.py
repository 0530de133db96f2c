"""Check an option file: its keys, its networks, its data sets; train nothing."""

from __future__ import annotations

import argparse

from smoothkit.cli.arguments import add_force_yml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("-opt", required=True, metavar="FILE.yml", help="the option file")
    parser.add_argument("--no-data", action="store_true", help="do not open the data sets")
    add_force_yml(parser)


def run(args: argparse.Namespace) -> int:
    """0 where everything is right; else the faults are raised as one error."""
    from smoothkit.engine.dry_run import check_file

    for line in check_file(args.opt, overrides=args.force_yml, with_data=not args.no_data):
        print(line)
    return 0
