"""``python -m smoothkit.test -opt FILE.yml``: measure a network on the test sets of a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from smoothkit.cli.process import run_command
from smoothkit.train import add_shared


def parser() -> argparse.ArgumentParser:
    """The command line, as in BasicSR."""
    made = argparse.ArgumentParser(prog="python -m smoothkit.test", description=__doc__)
    made.add_argument("-opt", required=True, metavar="FILE.yml", help="the option file")
    add_shared(made)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Test; 0 at the end, 2 for an error of the user's."""
    return run_command(lambda: _test(parser().parse_args(argv)))


def _test(args: argparse.Namespace) -> int:
    from smoothkit.engine.testing import evaluate

    evaluate(args.opt, launcher=args.launcher, overrides=args.force_yml)
    return 0


if __name__ == "__main__":
    sys.exit(main())
