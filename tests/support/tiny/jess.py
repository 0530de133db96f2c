"""The data of jess."""

from support.sps import make_sps as make

__all__ = ["make"]
