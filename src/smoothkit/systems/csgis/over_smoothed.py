"""Over-smoothed images, which a network is to stay away from: filters at strong settings."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence

import numpy as np

from smoothkit.ops.filters import Candidate

# How the scripts of Easy2Hard call their five operators.
STRONG_FILTERS = (
    "bilateral_opencv:d=45:sigma_color=200:sigma_space=1000",
    "rolling_guidance_opencv:d=45:sigma_color=150:sigma_space=1000:iterations=4",
    "l0:lam=0.05",
    "rtv:lam=0.04:sigma=5",
    "sd:lam=30:mu=50:nu=400:iterations=10",
)


def draw_filter(stem: str, filters: Sequence[Candidate], seed: int) -> Candidate:
    """One of the filters for an image, each as likely as the others.

    The draw depends on the image's name, not on which others there are.
    """
    rng = np.random.default_rng([seed, zlib.crc32(os.fsencode(stem))])
    return filters[int(rng.integers(len(filters)))]
