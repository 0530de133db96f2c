"""Where patches are tried: a grid with a random start, and a random shift of each cell."""

from __future__ import annotations

import random
from collections.abc import Sequence

# Rows or columns from which on the grid starts within that many pixels; smaller sides: 32.
_STARTS = {2400: 128, 1200: 64, 0: 32}
JITTER = 16

Corner = tuple[int, int]


def draw_corners(rng: random.Random, height: int, width: int, step: int) -> list[Corner]:
    """Top row and left column of every cell of an image, in order of the cells.

    Cells that no crop fits at are among them: they take random numbers, too.

    Args:
        rng: one for all images; its ``randint`` is called as in the published code.
        step: of the grid, in pixels.

    Source: patch_select.py of HGGT.
    """
    first_row = rng.randint(0, _largest_start(height))
    first_column = rng.randint(0, _largest_start(width))
    return [
        (max(row + rng.randint(-JITTER, JITTER), 0), max(column + rng.randint(-JITTER, JITTER), 0))
        for row in range(first_row, height, step)
        for column in range(first_column, width, step)
    ]


def inside(corners: Sequence[Corner], height: int, width: int, crop: int) -> list[Corner]:
    """The corners whose crop lies inside the image."""
    return [(y, x) for y, x in corners if y + crop <= height and x + crop <= width]


def _largest_start(side: int) -> int:
    return next(start for least, start in _STARTS.items() if side >= least)
