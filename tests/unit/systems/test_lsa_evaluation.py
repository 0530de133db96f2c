"""Trimaps that would make figures of mattes meaningless."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image
from smoothkit.systems.lsa.evaluation import Stores, evaluate_mattes

METRICS = {"sad": {"type": "matting_sad"}}


def evaluated(root: Path):
    stores = Stores(*(open_store(str(root / d), option=d) for d in ("pred", "gt", "trimaps")))
    return evaluate_mattes(stores, METRICS, "mattes")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images whose left half is foreground, one column unknown."""
    alpha = np.zeros((8, 9), np.uint8)
    alpha[:, :4] = 255
    trimap = alpha.copy()
    trimap[:, 4] = 128
    for name in "ab":
        for folder, image in (("pred", alpha), ("gt", alpha), ("trimaps", trimap)):
            write_image(tmp_path / folder / f"{name}.png", image)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: np.choose(t // 127, [255, 128, 0]), "has foreground and background interchan"),
        (lambda t: np.where(t == 128, 0, t), "has no unknown pixel, so there is nothing to meas"),
    ],
    ids=["inverted", "known"],
)
def test_an_image_with_a_useless_trimap_is_left_out_and_named(root, change, message):
    whole, faults = evaluated(root)
    assert (len(whole.rows), faults) == (2, [])
    trimap = np.full((8, 9), 128, np.uint8)
    trimap[:, :4], trimap[:, 5:] = 255, 0
    write_image(root / "trimaps/b.png", change(trimap).astype(np.uint8))
    table, faults = evaluated(root)
    assert [row["image"] for row in table.rows] == ["a"]
    assert len(faults) == 1
    assert f"{root / 'trimaps/b.png'}: {message}" in faults[0]
    assert table.facts["trimaps"] != whole.facts["trimaps"]


def test_how_trimaps_are_stored_does_not_change_their_hash(root):
    own = evaluated(root)[0].facts
    for folder in ("pred", "gt"):
        for number, name in enumerate("ab"):
            (root / folder / f"{name}.png").rename(root / folder / f"x_{number}.png")
    (root / "trimaps/a.png").rename(root / "trimaps/x.png")
    (root / "trimaps/b.png").unlink()
    assert evaluated(root)[0].facts == own
