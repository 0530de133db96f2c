"""Classical edge-preserving filters: float images in [0, 1] in, the same kind out.

``FILTERS`` has them by name. Each takes one image and keyword arguments, so that its signature is
its list of settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from smoothkit.ops.filters.bilateral import bilateral, bilateral_opencv
from smoothkit.ops.filters.l0 import l0
from smoothkit.ops.filters.rolling_guidance import rolling_guidance, rolling_guidance_opencv
from smoothkit.ops.filters.rtv import rtv

__all__ = [
    "FILTERS",
    "bilateral",
    "bilateral_opencv",
    "l0",
    "rolling_guidance",
    "rolling_guidance_opencv",
    "rtv",
]

FILTERS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {"bilateral": bilateral, "rolling_guidance": rolling_guidance, "l0": l0, "rtv": rtv}
)
