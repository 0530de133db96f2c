"""Classical edge-preserving filters: float images in [0, 1] in, the same kind out.

``FILTERS`` has them by name. Each takes one image and keyword arguments, so that its signature is
its list of settings. ``BYTE_FILTERS`` has two more that work on bytes, ``ENHANCERS`` those that
sharpen. ``apply_filter`` runs any of them on an image as a file holds it.
"""

from __future__ import annotations

from smoothkit.ops.filters.apply import (
    apply_filter,
    check_filter,
    describe_filters,
    noted_filter,
    parse_setting,
    settings_of,
)
from smoothkit.ops.filters.bilateral import bilateral, bilateral_opencv
from smoothkit.ops.filters.enhance import clahe, denoise_sharpen, detail_boost, unsharp
from smoothkit.ops.filters.grid import Candidate, parse_candidate, parse_grid
from smoothkit.ops.filters.guided import guided
from smoothkit.ops.filters.ils import ils, ils_welsch
from smoothkit.ops.filters.l0 import l0
from smoothkit.ops.filters.rolling_guidance import rolling_guidance, rolling_guidance_opencv
from smoothkit.ops.filters.rtv import rtv
from smoothkit.ops.filters.sd import sd, wls
from smoothkit.ops.filters.table import BYTE_FILTERS, ENHANCERS, FILTERS

__all__ = [
    "BYTE_FILTERS",
    "ENHANCERS",
    "FILTERS",
    "Candidate",
    "apply_filter",
    "bilateral",
    "bilateral_opencv",
    "check_filter",
    "clahe",
    "denoise_sharpen",
    "describe_filters",
    "detail_boost",
    "guided",
    "ils",
    "ils_welsch",
    "l0",
    "noted_filter",
    "parse_candidate",
    "parse_grid",
    "parse_setting",
    "rolling_guidance",
    "rolling_guidance_opencv",
    "rtv",
    "sd",
    "settings_of",
    "unsharp",
    "wls",
]
