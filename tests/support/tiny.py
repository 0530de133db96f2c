"""The shipped ``tiny.yml`` of every system, and small data in the folders that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.hggt import make_hggt_demo
from support.matting import make_matting_data
from support.sps import make_sps
from support.voc import make_voc_demo

OPTIONS = Path(__file__).parents[2] / "options"
# By system: new ones join with a maker of their data below.
FILES = {path.parent.name: path for path in sorted(OPTIONS.glob("train/*/tiny.yml"))}
DATA: dict[str, Callable[[Path], None]] = {
    "csgis": make_voc_demo,
    "hggt_sr": make_hggt_demo,
    "jess": make_sps,
    "lsa": make_matting_data,
}
