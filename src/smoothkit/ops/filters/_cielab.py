"""CIE L*a*b* as the SD filter's published tool computes it."""

from __future__ import annotations

import numpy as np

_RGB_OF_XYZ = np.array(
    [
        [3.240479, -1.53715, -0.498535],
        [-0.969256, 1.875992, 0.041556],
        [0.055648, -0.204043, 1.057311],
    ]
)
_WHITE = np.array([0.950456, 1.0, 1.088754])


def to_lab(planes: np.ndarray) -> np.ndarray:
    """(3, H, W) L*, a*, b* of (3, H, W) RGB in [0, 1]; values outside are not clipped."""
    # Below 0 the power has no real value; the linear part of the curve is taken there anyway.
    curved = (np.maximum(planes + 0.099, 0) / 1.099) ** (1 / 0.45)
    linear = np.where(curved < 0.018, planes / 4.5138, curved)
    xyz = np.tensordot(np.linalg.inv(_RGB_OF_XYZ) / _WHITE[:, None], linear, axes=1)
    x, y, z = np.where(xyz < 0.008856, xyz * (841 / 108) + 4 / 29, np.cbrt(xyz))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
