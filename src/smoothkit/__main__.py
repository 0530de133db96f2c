"""``python -m smoothkit COMMAND``: the commands beside train, test and inference."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from smoothkit import __version__
from smoothkit.cli.process import run_command
from smoothkit.core.errors import OptionError
from smoothkit.core.registry import system_modules

_FOLDER = "smoothkit.cli"
# Modules of that folder which are parts of commands, not commands.
_PARTS = ("arguments", "multi_gt", "pictures", "process", "reference_page")


def commands() -> dict[str, str]:
    """Import names of the commands by name: modules of ``smoothkit.cli`` and of the systems.

    A system brings its own in a folder ``systems/<name>/commands``.

    Raises:
        OptionError: two of one name.
    """
    found: dict[str, str] = {}
    for folder in (_FOLDER, *system_modules("commands")):
        for info in pkgutil.iter_modules(importlib.import_module(folder).__path__):
            name = f"{folder}.{info.name}"
            if folder == _FOLDER and info.name in _PARTS:
                continue
            if info.name in found:
                raise OptionError(f"{name}: is called like {found[info.name]}. Rename one.")
            found[info.name] = name
    return dict(sorted(found.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 2 for an error of the user's."""
    return run_command(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m smoothkit", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    known = commands()
    wanted = argv[:1] if argv[:1] and argv[0] in known else list(known)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in wanted:  # the others stay unread
        module = importlib.import_module(known[name])
        summary = (module.__doc__ or "").partition("\n")[0]
        sub = subparsers.add_parser(name, help=summary, description=module.__doc__)
        if name in argv[:1]:  # only its own options need what a command works with
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args, rest = parser.parse_known_args(argv)
    # Words between the options and after them; argparse takes a list in one place only.
    if rest and not (hasattr(args, "settings") and all("=" in w and w[0] != "-" for w in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.settings += rest
    code: int = args.run(args)
    return code


if __name__ == "__main__":
    sys.exit(main())
