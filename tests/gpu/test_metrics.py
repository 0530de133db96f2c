"""Metrics by the features of networks, on the accelerator."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from smoothkit.systems.hggt_sr.measures import measure_of
from support.vgg import write_judges

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of random weights."""
    folder = tmp_path_factory.mktemp("judges") / "checkpoints"
    write_judges(folder)
    return folder


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_distances_of_features_are_those_of_the_cpu(
    name: str, weights: Path, device: torch.device
) -> None:
    if name == "lpips" and find_spec("lpips") is None:
        pytest.skip("lpips is not installed here, which brings the weights of this metric")
    files = {"lpips": "alexnet-owt-7be5be79.pth", "dists": "dists_weights.pt"}
    options = {f"{key}_weights": str(weights / file) for key, file in files.items()}
    options["vgg_weights"] = str(weights / "vgg16-397923af.pth")

    def measure(where: str) -> Callable:
        return measure_of([name], crop_border=0, device=where, **options)

    rng = np.random.default_rng(0)
    image, *truths = (rng.integers(0, 256, (48, 56, 3), np.uint8) for _ in range(3))
    found, expected = (measure(where)(image, truths)[name] for where in (str(device), "cpu"))
    assert found == pytest.approx(expected, rel=1e-4)
