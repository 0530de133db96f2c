"""Decoded images that a data set keeps in memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.store import ImageStore
from smoothkit.ops.io import Alpha, Cmyk, ImageHeader, kind_fault

_DEPTH_FAULT = "must have 8 bits per channel, since pairs are blended in bytes, got 16."


class Memory:
    """Decoded arrays by name; a copy in another process begins empty.

    Args:
        is_kept: keep them; else all are made anew.
    """

    def __init__(self, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._kept: dict[Hashable, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}  # a worker fills its own

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """What is kept under ``key``, or else what ``make`` gives."""
        if not self._is_kept:
            return make()
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


class DecodedImages:
    """8-bit images of a store by index, each decoded once where they are cached.

    Args:
        convert: what is kept of a decoded (H, W, 3) BGR image.
    """

    def __init__(
        self,
        store: ImageStore,
        convert: Callable[[np.ndarray], np.ndarray],
        alpha: Alpha,
        cmyk: Cmyk,
        is_cached: bool,
    ) -> None:
        self._store = store
        self._convert = convert
        self._alpha: Alpha = alpha
        self._cmyk: Cmyk = cmyk
        self._memory = Memory(is_cached)

    def __len__(self) -> int:
        return len(self._store.names)

    def path(self, index: int) -> str:
        return self._store.path(self._store.names[index])

    def get(self, index: int) -> np.ndarray:
        return self._memory.get(index, lambda: self._decoded(index))

    def header(self, index: int) -> ImageHeader:
        return self._store.header(self._store.names[index])

    def fault(
        self, index: int, size_fault: Callable[[int, int], str | None] | None = None
    ) -> str | None:
        """Why an image cannot be used as far as its header tells, or None."""
        try:
            header = self.header(index)
        except DataError as error:
            return str(error)
        fault = kind_fault(header, alpha=self._alpha, cmyk=self._cmyk)
        if not fault and header.depth != 8:
            fault = _DEPTH_FAULT
        if not fault and size_fault:
            fault = size_fault(header.height, header.width)
        return f"{self.path(index)}: {fault}" if fault else None

    def _decoded(self, index: int) -> np.ndarray:
        image = self._store.read(self._store.names[index], alpha=self._alpha, cmyk=self._cmyk)
        if image.dtype != np.uint8:
            raise DataError(f"{self.path(index)}: {_DEPTH_FAULT}")
        return self._convert(image)
