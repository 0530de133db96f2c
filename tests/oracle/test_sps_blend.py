"""Blending against the reference script, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.data.prepare.blending import blend_folder
from smoothkit.ops.blend import blend, edge_map, training_pair
from smoothkit.ops.io import read_image, write_image
from support.oracle import Case

CASE = Case("smoothing", "sps_blend")


@pytest.mark.parametrize("number", range(4))
def test_pair_matches_the_reference(number: int) -> None:
    texture, gt = CASE[f"tx{number // 2}"], CASE[f"gt{number % 2}"]
    np.testing.assert_array_equal(training_pair(gt, blend(texture, gt)), CASE[f"train/{number}"])


@pytest.mark.parametrize("number", range(2))
def test_edge_map_matches_the_reference(number: int) -> None:
    np.testing.assert_array_equal(edge_map(CASE[f"gt{number}"]), CASE[f"edge/{number}"])


def test_folders_match_the_reference(tmp_path: Path) -> None:
    for key in ("tx0", "tx1"):
        write_image(tmp_path / "tx" / f"{key}.png", CASE[key])
    for key in ("gt0", "gt1"):
        write_image(tmp_path / "gt" / f"2007_00000{key[-1]}.png", CASE[key])
    blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out")
    for key in CASE.arrays:
        if "/" in key:
            image = read_image(tmp_path / "out" / f"{key}.png", mode="unchanged")
            np.testing.assert_array_equal(image, CASE[key], err_msg=key)
    assert (tmp_path / "out" / "map.txt").read_bytes() == b"2007_000000,0\n2007_000001,1\n"
