"""Images and items of blended pairs, as the tests of both data sets make and compare them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def noise(seed: int, height: int = 40, width: int = 44, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


def smooth(seed: int, height: int = 40, width: int = 44) -> np.ndarray:
    """Flat areas with a step between them."""
    image = np.full((height, width, 3), 40 * seed % 200, np.uint8)
    image[:, width // 3 :] += 50
    return image


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        same = torch.equal(value, second[key]) if torch.is_tensor(value) else value == second[key]
        assert same, key
