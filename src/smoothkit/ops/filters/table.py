"""The filters by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from smoothkit.ops.filters.bilateral import bilateral, bilateral_opencv
from smoothkit.ops.filters.enhance import clahe, denoise_sharpen, detail_boost, unsharp
from smoothkit.ops.filters.guided import guided
from smoothkit.ops.filters.ils import ils, ils_welsch
from smoothkit.ops.filters.l0 import l0
from smoothkit.ops.filters.rolling_guidance import rolling_guidance, rolling_guidance_opencv
from smoothkit.ops.filters.rtv import rtv
from smoothkit.ops.filters.sd import sd, wls

FILTERS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {
        "bilateral": bilateral,
        "guided": guided,
        "ils": ils,
        "ils_welsch": ils_welsch,
        "l0": l0,
        "rolling_guidance": rolling_guidance,
        "rtv": rtv,
        "sd": sd,
        "wls": wls,
    }
)

# Apart, since these take and give bytes.
BYTE_FILTERS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {
        "bilateral_opencv": bilateral_opencv,
        "rolling_guidance_opencv": rolling_guidance_opencv,
    }
)

# Apart, since these sharpen.
ENHANCERS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {
        "clahe": clahe,
        "denoise_sharpen": denoise_sharpen,
        "detail_boost": detail_boost,
        "unsharp": unsharp,
    }
)
