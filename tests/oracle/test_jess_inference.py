"""The published program for smoothing a folder, file to file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.inference import main
from smoothkit.ops.io import read_image, write_image
from support.fill import fill
from support.oracle import Case


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the layout and under the kind of name of the published ones, blank included."""
    net = build_network({"type": "HDC_edge_refine", "dim": 64, "num_block": 20})
    state = fill(net.state_dict())
    for layer in ("interpreter2.9", "refine.9"):  # brings the result into [0, 1]
        state[f"{layer}.weight"] *= 0.015
        state[f"{layer}.bias"].fill_(0.25)
    path = tmp_path_factory.mktemp("weights") / "epoch 224_ssim 0.922825_psnr 31.733277 "
    torch.save({"net": state, "now_epoch": 224, "opt": {}}, path)
    return path


@pytest.mark.parametrize("tile", ["auto", "16"])
def test_a_folder_is_smoothed_to_the_published_bytes(weights: Path, tile: str, tmp_path: Path):
    case = Case("smoothing", "show_e2h")
    for number in range(2):
        write_image(tmp_path / f"in/{number}.png", case[f"in{number}"])
    folders = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert main(["--model_path", str(weights).rstrip(), *folders, "--tile", tile]) == 0
    for number in range(2):
        result = read_image(tmp_path / f"out/{number}.png").astype(int)
        np.testing.assert_allclose(result, case[f"out{number}"].astype(int), atol=1, rtol=0)
        assert (result == case[f"out{number}"]).mean() > 0.99
