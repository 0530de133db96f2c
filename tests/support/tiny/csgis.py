"""The data of csgis."""

from support.voc import make_voc_demo as make

__all__ = ["make"]
