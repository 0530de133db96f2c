"""The training and validation items of Easy2Hard against recorded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smoothkit.data.base import sample_rng
from smoothkit.data.pairs import BlendedPairDataset
from smoothkit.data.patches import Patches
from smoothkit.ops.augment import Params, crop
from smoothkit.ops.io import write_image
from support.oracle import Case

CASE = Case("smoothing", "dataset_e2h")
PATCH = CASE.meta["patch_size"]


def params_of(index: int) -> Params:
    height, width, row, col, flipped, *rest = CASE["params"][index]
    return Params(int(height), int(width), int(row), int(col), bool(flipped), *rest)


def assert_close_levels(actual: Any, recorded: np.ndarray) -> None:
    """At most 2 grey levels apart on 99 % of pixels, as the fixture says."""
    apart = np.abs(np.rint(actual.numpy() * 255) - recorded.astype(int))
    assert np.mean(apart <= 2) >= 0.99, f"largest {apart.max()}, mean {apart.mean():.3f}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        write_image(tmp_path / "train" / f"{i}.png", CASE[f"pair{i}"])
    for i in range(2):
        write_image(tmp_path / "edge" / f"{i}.png", CASE[f"edge{i}"])
    return tmp_path


def reference_item(index: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(Patches, "draw", lambda *_: params_of(index))
    dataset = BlendedPairDataset(
        dataroot=str(folder / "train"),
        dataroot_edge=str(folder / "edge"),
        patch_size=PATCH,
        augment=True,
        color="bgr",
        legacy_color_order=True,
    )
    return dataset.get(index, sample_rng(0, 0))


@pytest.mark.parametrize("index", range(3))
def test_recorded_draws_replay_a_training_item(index: int, folder: Path, monkeypatch) -> None:
    item = reference_item(index, folder, monkeypatch)
    assert_close_levels(item["lq"], CASE[f"train{index}_OB"])
    assert_close_levels(item["gt"], CASE[f"train{index}_GT"])
    np.testing.assert_array_equal(item["edge"].numpy(), CASE[f"train{index}_EG"])


def test_the_mode_without_edges_gave_the_same_item_in_rgb(folder: Path, monkeypatch) -> None:
    item = reference_item(0, folder, monkeypatch)
    assert_close_levels(item["lq"].flip(0), CASE["plain0_OB"])
    assert_close_levels(item["gt"].flip(0), CASE["plain0_GT"])


def test_validation_crops_are_those_of_the_reference(folder: Path) -> None:
    dataset = BlendedPairDataset(
        dataroot=str(folder / "train"),
        dataroot_edge=str(folder / "edge"),
        patch_size=PATCH,
        color="bgr",
        crop="reference_val",
    )
    second = dataset.get(1, sample_rng(5, 6))["lq"].numpy()  # out of order: nothing depends on it
    first = dataset.get(0, sample_rng(7, 8))
    np.testing.assert_array_equal(np.rint(first["lq"].numpy() * 255), CASE["val0_OB"])
    np.testing.assert_array_equal(np.rint(second * 255)[:, ::8, ::8], CASE["val1_OB"])
    row, col = CASE["val_crops"][0]
    window = crop(CASE["edge0"], Params(PATCH, PATCH, row, col))
    np.testing.assert_array_equal(first["edge"].numpy()[0], window >= 100)
