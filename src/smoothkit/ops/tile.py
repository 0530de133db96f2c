"""Cutting an image into windows that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A part of an image, and the larger window that it takes to compute it.

    Args:
        top, left, bottom, right: the part; the last two are one past its end.
        window: the same four numbers of the window.
    """

    top: int
    left: int
    bottom: int
    right: int
    window: tuple[int, int, int, int]

    @property
    def area(self) -> int:
        """Pixels of the window."""
        top, left, bottom, right = self.window
        return (bottom - top) * (right - left)

    def inside(self, scale: int = 1) -> tuple[slice, slice]:
        """Rows and columns of the part in the window's result."""
        top, left = self.top - self.window[0], self.left - self.window[1]
        bottom, right = self.bottom - self.window[0], self.right - self.window[1]
        return slice(top * scale, bottom * scale), slice(left * scale, right * scale)

    def outside(self, scale: int = 1) -> tuple[slice, slice]:
        """Rows and columns of the part in the whole result."""
        rows = slice(self.top * scale, self.bottom * scale)
        return rows, slice(self.left * scale, self.right * scale)


def tiles(
    height: int,
    width: int,
    size: int,
    overlap: int,
    multiple_of: int = 1,
    *,
    is_even: bool = True,
) -> Iterator[Tile]:
    """Tiles that cover an image once, in reading order.

    Args:
        height, width: of the image.
        size: largest side of a part.
        overlap: by which windows reach beyond their parts, inside the image.
        multiple_of: windows begin at multiples of this.
        is_even: parts of one image have nearly equal sides; else all but the last have ``size``.
    """
    for top, bottom in _spans(height, size, multiple_of, is_even):
        for left, right in _spans(width, size, multiple_of, is_even):
            window = (
                _down(max(top - overlap, 0), multiple_of),
                _down(max(left - overlap, 0), multiple_of),
                min(bottom + overlap, height),
                min(right + overlap, width),
            )
            yield Tile(top, left, bottom, right, window)


def _spans(length: int, size: int, multiple_of: int, is_even: bool) -> Iterator[tuple[int, int]]:
    step = max(_down(size, multiple_of), multiple_of)
    if is_even:
        count = -(-length // step)
        step = -(-length // count)  # a last tile of a few pixels would cost a whole overlap
        step = -(-step // multiple_of) * multiple_of
    for start in range(0, length, step):
        yield start, min(start + step, length)


def _down(value: int, multiple_of: int) -> int:
    return value // multiple_of * multiple_of
