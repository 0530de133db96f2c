"""Crops and smaller copies against the published scripts: names, places and sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smoothkit.data.prepare.derive import derive
from smoothkit.data.prepare.subimages import Crops, TooSmallError
from smoothkit.ops.io import read_header, read_image, write_image
from smoothkit.systems.hggt_enhance.prepare.multiscale import Multiscale
from support.oracle import Case

RECORDED = Case("hggt_enhance", "data_preparation").meta


@pytest.mark.parametrize("case", RECORDED["extract_subimages"], ids=lambda c: c["image"])
def test_crops_are_those_of_the_published_script(case: dict[str, Any], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*case["hw"], 3), np.uint8)
    write_image(tmp_path / "in" / case["image"], image)
    crops = Crops(case["crop_size"], case["step"], case["thresh_size"])
    done = derive(crops, [tmp_path / "in"], tmp_path / "out")
    assert [type(fault) for fault in done.faults] == ([TooSmallError] if case["error"] else [])
    assert sorted(p.name for p in tmp_path.glob("out/[!.]*")) == sorted(case["crops"])
    for name, crop in case["crops"].items():
        (top, left), (height, width) = crop["top_left"], crop["hw"]
        expected = image[top : top + height, left : left + width]
        np.testing.assert_array_equal(read_image(tmp_path / "out" / name), expected)


@pytest.mark.parametrize("case", RECORDED["generate_multiscale"], ids=lambda c: str(c["input_wh"]))
def test_copies_have_the_published_sizes(case: dict[str, Any], tmp_path: Path) -> None:
    width, height = case["input_wh"]
    write_image(tmp_path / "in/pic.png", np.zeros((height, width), np.uint8))
    derive(Multiscale(), [tmp_path / "in"], tmp_path / "out")
    headers = {path.name: read_header(path) for path in tmp_path.glob("out/[!.]*")}
    assert {name: [h.width, h.height] for name, h in headers.items()} == case["outputs_wh"]
