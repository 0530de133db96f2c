"""``python -m smoothkit.train -opt FILE.yml``: train a network as an option file says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from smoothkit.cli.arguments import add_force_yml
from smoothkit.cli.process import run_command


def parser() -> argparse.ArgumentParser:
    """The command line, as in BasicSR."""
    made = argparse.ArgumentParser(prog="python -m smoothkit.train", description=__doc__)
    made.add_argument("-opt", required=True, metavar="FILE.yml", help="the option file")
    made.add_argument(
        "--auto_resume",
        action="store_true",
        help="go on from the newest whole checkpoint of the run of this name",
    )
    made.add_argument("--debug", action="store_true", help="report, validate and save often")
    add_shared(made)
    return made


def add_shared(made: argparse.ArgumentParser) -> None:
    """The options that training and testing share."""
    made.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm"),
        default="none",
        help="how processes were started; torchrun is recognised by itself",
    )
    add_force_yml(made)
    # Given by older launchers; torchrun says the same in the environment.
    made.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)


def main(argv: Sequence[str] | None = None) -> int:
    """Train; 0 at the end, 2 for an error of the user's, 128 + signal where stopped by one."""
    return run_command(lambda: _train(parser().parse_args(argv)))


def _train(args: argparse.Namespace) -> int:
    from smoothkit.engine.signals import exit_code
    from smoothkit.engine.training import train

    stopped_by = train(
        args.opt,
        auto_resume=args.auto_resume,
        launcher=args.launcher,
        is_debug=args.debug,
        overrides=args.force_yml,
    )
    return exit_code(stopped_by) if stopped_by else 0


if __name__ == "__main__":
    sys.exit(main())
