"""Running a network on the tiles of an image, on smaller ones where memory does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import torch

from smoothkit.core.devices import is_out_of_memory
from smoothkit.core.errors import DataError
from smoothkit.core.image_io import ImageIO
from smoothkit.ops.tile import Tile, tiles

log = logging.getLogger(__name__)

SMALLEST_TILE = 16

T = TypeVar("T")


class Tiling(Generic[T]):
    """The tiles of images; once memory did not suffice, all later ones are smaller.

    Args:
        io: facts about the network.
        overlap: by which windows reach beyond their parts; None: images are not to be cut.
        device: where the network runs.
    """

    def __init__(self, io: ImageIO, overlap: int | None, device: torch.device) -> None:
        self.io, self.overlap, self.device = io, overlap, device
        self._limit: int | None = None

    @property
    def is_exact(self) -> bool:
        """Whether the tiles give the whole image's result."""
        radius = self.io.radius
        return radius is not None and self.overlap is not None and self.overlap >= radius

    def plan(self, height: int, width: int, size: int) -> list[Tile]:
        """The tiles of an image, their parts at most ``size`` long.

        They are nearly equal where that does not matter. Else all but the last ones have ``size``,
        as in the published programs.
        """
        size = max(height, width) if self.overlap is None else size
        return list(
            tiles(
                height, width, size, self.overlap or 0, self.io.multiple_of, is_even=self.is_exact
            )
        )

    def run(
        self, height: int, width: int, size: int, compute: Callable[[Tile], T]
    ) -> Iterator[tuple[Tile, T]]:
        """What ``compute`` makes of each tile.

        Raises:
            DataError: memory does not hold the smallest tile, or a window is too small for the
                network.
        """
        for tile in self.plan(height, width, size):
            yield from self._computed(tile, height, width, compute)

    def _computed(
        self, tile: Tile, height: int, width: int, compute: Callable[[Tile], T]
    ) -> Iterator[tuple[Tile, T]]:
        """The tile's result; in pieces where memory does not hold the window."""
        if self._limit is None or _side(tile) <= self._limit:
            self._refuse_small(tile)
            try:
                yield tile, compute(tile)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._limit = self._smaller(tile)
        for piece in self.plan(height, width, self._limit):
            if _overlaps(piece, tile):
                yield from self._computed(piece, height, width, compute)

    def _refuse_small(self, tile: Tile) -> None:
        """Refuse what is left at the border of an image with too little overlap."""
        top, left, bottom, right = tile.window
        if fault := self.io.size_fault(bottom - top, right - left):
            least = self.io.refuses_below - 1
            raise DataError(f"tile_pad: too small for this network: {fault} Use {least} or more.")

    def _smaller(self, tile: Tile) -> int:
        """The side of tiles after memory did not suffice for this one."""
        side, multiple = _side(tile), self.io.multiple_of
        if self.overlap is None or side // 2 < max(SMALLEST_TILE, multiple):
            raise DataError(
                f"{self.device}: out of memory for a window of {tile.area} pixels, which cannot "
                "be made smaller. Free some memory, or use '--amp auto'."
            )
        limit = side // 2 // multiple * multiple
        change = "" if self.is_exact else " Results differ: tiles change what this network gives."
        log.warning(
            "out of memory with tiles of %d pixels; going on with %d.%s", side, limit, change
        )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return limit


def _side(tile: Tile) -> int:
    return max(tile.bottom - tile.top, tile.right - tile.left)


def _overlaps(a: Tile, b: Tile) -> bool:
    return a.top < b.bottom and b.top < a.bottom and a.left < b.right and b.left < a.right
