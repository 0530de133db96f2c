"""The data of hggt_sr."""

from support.hggt import make_hggt_demo as make

__all__ = ["make"]
