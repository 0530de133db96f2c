"""Recorded reference outputs: ``fixtures/<group>/<name>.npz`` with a ``.json`` beside each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

FIXTURES = Path(__file__).parent.parent / "oracle" / "fixtures"


class Case:
    """One fixture: ``case["name"]`` is an array, ``case.meta`` its JSON."""

    def __init__(self, group: str, name: str) -> None:
        self.name = name
        folder = FIXTURES / group
        self.meta: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        arrays = folder / f"{name}.npz"
        self.arrays = dict(np.load(arrays)) if arrays.exists() else {}
        tolerance = self.meta.get("tolerance", 0.0)
        own = tolerance if isinstance(tolerance, dict) else {"atol": tolerance}
        self.rtol: float = self.meta.get("rtol", own.get("rtol", 0.0))
        self.atol: float = self.meta.get("atol", own.get("atol", 0.0))

    def __str__(self) -> str:
        return self.name

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def close(self, actual: Any, key: str, noise: torch.Tensor | None = None) -> None:
        """Fail unless ``actual`` agrees with array ``key`` within the fixture's own tolerance.

        Args:
            noise: by how much rounding may have put each element of the recording off besides.
        """
        actual = actual.detach().numpy() if isinstance(actual, torch.Tensor) else actual
        desired = self.arrays[key]
        if noise is not None:
            desired = desired + (actual - desired).clip(-noise.numpy(), noise.numpy())
        np.testing.assert_allclose(actual, desired, rtol=self.rtol, atol=self.atol, err_msg=key)


def key_list(group: str, name: str) -> dict[str, Any]:
    """Full-size parameter names and shapes, as recorded."""
    return json.loads((FIXTURES / group / f"{name}.keys.json").read_text())
