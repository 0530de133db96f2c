"""What comes with a ground truth: edge maps, segmentation masks, over-smoothed images.

Each kind reads a file of a store, and tells its size at a check, refusing what ``read`` would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.data.store import ImageStore
from smoothkit.ops.io import Alpha, Cmyk, kind_fault
from smoothkit.ops.labels import NUM_CLASSES, decode_labels

# Levels of an 8-bit edge map from here on are an edge.
_EDGE_LEVEL = 100


class Kind(Protocol):
    def read(self, store: ImageStore, name: str) -> np.ndarray:
        """(H, W) or (H, W, 3) pixels.

        Raises:
            DataError: it cannot be used; the message names the file.
        """

    def size(self, store: ImageStore, name: str) -> tuple[int, int]:
        """Height and width; errors are those of ``read``, as far as a check looks."""


@dataclass(frozen=True)
class EdgeMaps:
    """(H, W) uint8 in {0, 1} of grey maps; a check reads headers."""

    def read(self, store: ImageStore, name: str) -> np.ndarray:
        levels = store.read(name, "gray", alpha="drop")
        return (levels >= _EDGE_LEVEL).astype(np.uint8)

    def size(self, store: ImageStore, name: str) -> tuple[int, int]:
        header = store.header(name)
        return header.height, header.width


@dataclass(frozen=True)
class Masks:
    """(H, W) uint8 classes as ``ops.labels`` reads them; a check decodes them, for their values.

    Args:
        num_classes: that they may hold.
        found: the classes that checks came upon.

    Raises:
        OptionError: ``num_classes`` is out of range.
    """

    num_classes: int = NUM_CLASSES
    found: set[int] = field(default_factory=set, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.num_classes <= 255:
            fault = f"must be between 1 and 255, got {self.num_classes}."
            raise OptionError([Fault("num_classes", fault)])

    def read(self, store: ImageStore, name: str) -> np.ndarray:
        return decode_labels(store.read_bytes(name), store.path(name), self.num_classes)

    def size(self, store: ImageStore, name: str) -> tuple[int, int]:
        labels = self.read(store, name)
        self.found.update(np.unique(labels).tolist())
        height, width = labels.shape
        return height, width


@dataclass(frozen=True)
class ColorImages:
    """(H, W, 3) BGR uint8 or uint16; a check reads headers."""

    alpha: Alpha = "refuse"
    cmyk: Cmyk = "refuse"

    def read(self, store: ImageStore, name: str) -> np.ndarray:
        return store.read(name, alpha=self.alpha, cmyk=self.cmyk)

    def size(self, store: ImageStore, name: str) -> tuple[int, int]:
        header = store.header(name)
        if fault := kind_fault(header, alpha=self.alpha, cmyk=self.cmyk):
            raise DataError(f"{store.path(name)}: {fault}")
        return header.height, header.width
