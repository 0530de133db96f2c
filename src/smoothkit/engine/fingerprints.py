"""What figures were measured with, in a few digits: hashes of images beside a table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

# Of a hash of many images that stands beside figures.
_DIGITS = 12


def fingerprint(plane: np.ndarray) -> str:
    """The SHA-256 of one image of bytes: its height and width in decimal, then its pixels.

    Args:
        plane: (H, W) uint8.
    """
    size = "{}x{}:".format(*plane.shape).encode()
    return hashlib.sha256(size + np.ascontiguousarray(plane).tobytes()).hexdigest()


def combined(fingerprints: Mapping[str, str]) -> str:
    """The beginning of the SHA-256 of all fingerprints, one after the other by the images' names.

    Args:
        fingerprints: by the name of the image that was measured.
    """
    joined = "".join(fingerprints[name] for name in sorted(fingerprints))
    return hashlib.sha256(joined.encode()).hexdigest()[:_DIGITS] if fingerprints else "none"
