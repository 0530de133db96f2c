"""The data of lsa."""

from support.matting import make_matting_data as make

__all__ = ["make"]
