"""The shipped ``tiny.yml`` of every system, and small data in the folders that they name.

A system joins with a module of its name here, whose ``make(root)`` writes its data below ``root``.
"""

from __future__ import annotations

import importlib
from pathlib import Path

OPTIONS = Path(__file__).parents[3] / "options"
FILES = {path.parent.name: path for path in sorted(OPTIONS.glob("train/*/tiny.yml"))}


def make_data(system: str, root: Path) -> None:
    """Write the folders that the ``tiny.yml`` of a system names."""
    importlib.import_module(f"support.tiny.{system}").make(root)
