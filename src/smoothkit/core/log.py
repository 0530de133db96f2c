"""Log lines: on the console of the first process, and in the run's log file."""

from __future__ import annotations

import logging
import multiprocessing
import sys
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s: %(message)s"
# BasicSR's parts log under its own name.
NAMES = ("smoothkit", "basicsr")

_TOLD: set[str] = set()


def setup_logging(*, is_main: bool = True, file: Path | None = None) -> None:
    """Send log lines to the console and, where given, to a file; replaces what was set before."""
    handlers: list[logging.Handler] = []
    if is_main:
        handlers.append(logging.StreamHandler(sys.stderr))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
    else:
        handlers.append(logging.NullHandler())
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT, datefmt="%Y-%m-%d %H:%M:%S"))
    for name in NAMES:
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        for handler in handlers:
            logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def warn_once(log: logging.Logger, message: str, *args: object) -> None:
    """Log a warning, unless this process has logged it before; a data worker logs none.

    What is wrong with data is found by the check in the main process; each worker would tell it
    again.
    """
    text = message % args
    if text not in _TOLD and multiprocessing.parent_process() is None:
        _TOLD.add(text)
        log.warning("%s", text)
