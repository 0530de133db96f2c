"""Making VOC-smooth against the reference script, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.files import write_bytes
from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.labels import encode_labels
from smoothkit.systems.csgis.plan import Recipe
from smoothkit.systems.csgis.prepare import make_voc_smooth
from smoothkit.systems.csgis.voc import Sources
from support.oracle import Case

CASE = Case("smoothing", "vocsmooth_blend")
MADE = [key for key in CASE.arrays if "/" in key]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voc")
    for t in range(2):
        write_image(root / f"tx/t{t}.png", CASE[f"tx{t}"])
    for b in range(2):
        name, gt = f"2007_00000{b}.png", CASE[f"gt{b}"]
        for folder in ("gt", "over"):
            write_image(root / folder / name, gt)
        mask = encode_labels(np.zeros(gt.shape[:2], np.uint8))
        write_bytes(root / "VOC2012/SegmentationClass" / name, mask)
    sources = Sources(root / "VOC2012", root / "tx", gt_dir=root / "gt", over_dir=root / "over")
    make_voc_smooth(sources, root / "out", Recipe(val_fraction=0.01))
    return root / "out"


@pytest.mark.parametrize("key", MADE)
def test_pair_or_edge_matches_the_reference(made: Path, key: str) -> None:
    image = read_image(made / f"{key}.png", mode="unchanged")
    np.testing.assert_array_equal(image, CASE[key])


def test_there_are_no_other_pairs_and_edges(made: Path) -> None:
    files = [path for folder in ("train", "edge") for path in (made / folder).iterdir()]
    assert sorted(str(path.relative_to(made).with_suffix("")) for path in files) == sorted(MADE)


def test_map_matches_the_reference(made: Path) -> None:
    assert (made / "map.txt").read_bytes() == CASE.meta["map.txt"].encode()
