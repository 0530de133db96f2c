"""Decoded images that a data set keeps in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.store import ImageStore
from smoothkit.ops.io import Alpha, Cmyk, kind_fault

_DEPTH_FAULT = "must have 8 bits per channel, since pairs are blended in bytes, got 16."


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
        self._is_cached = is_cached
        self._cache: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._store.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}  # a worker fills its own

    def path(self, index: int) -> str:
        return self._store.path(self._store.names[index])

    def get(self, index: int) -> np.ndarray:
        if index in self._cache:
            return self._cache[index]
        image = self._store.read(self._store.names[index], alpha=self._alpha, cmyk=self._cmyk)
        if image.dtype != np.uint8:
            raise DataError(f"{self.path(index)}: {_DEPTH_FAULT}")
        image = self._convert(image)
        if self._is_cached:
            self._cache[index] = image
        return image

    def fault(
        self, index: int, size_fault: Callable[[int, int], str | None] | None = None
    ) -> str | None:
        """Why an image cannot be used as far as its header tells, or None."""
        try:
            header = self._store.header(self._store.names[index])
        except DataError as error:
            return str(error)
        fault = kind_fault(header, alpha=self._alpha, cmyk=self._cmyk)
        if not fault and header.depth != 8:
            fault = _DEPTH_FAULT
        if not fault and size_fault:
            fault = size_fault(header.height, header.width)
        return f"{self.path(index)}: {fault}" if fault else None
