"""The data of hggt_enhance."""

from support.hggt import make_hggt_demo as make

__all__ = ["make"]
