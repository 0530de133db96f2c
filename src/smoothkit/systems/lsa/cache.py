"""Decoded images that are needed again."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

Images = tuple[np.ndarray, ...]


class Cache:
    """The images used last, up to a size; each process fills one of its own.

    Args:
        limit: in bytes; 0 keeps nothing.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, Images] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> Images | None:
        """What was put under the key and is still there, not to be written to."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: str, images: Images) -> None:
        """Keep images under a new key, at the cost of those not used for longest."""
        if _bytes(images) > self._limit:
            return
        for image in images:
            image.flags.writeable = False
        self._held[key] = images
        self._size += _bytes(images)
        while self._size > self._limit:
            _, oldest = self._held.popitem(last=False)
            self._size -= _bytes(oldest)

    def __reduce__(self) -> tuple[type[Cache], tuple[int]]:
        return Cache, (self._limit,)  # images do not travel to data workers


def _bytes(images: Images) -> int:
    return sum(image.nbytes for image in images)
