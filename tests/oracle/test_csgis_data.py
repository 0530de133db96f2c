"""The training items of CSGIS-Net against recorded ones, from files on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smoothkit.data.base import sample_rng
from smoothkit.data.pairs import BlendedPairDataset
from smoothkit.data.patches import Patches
from smoothkit.ops.augment import Params, apply_color, apply_geometry, crop
from smoothkit.ops.io import write_image
from smoothkit.ops.labels import encode_labels
from support.oracle import Case

CASE = Case("smoothing", "dataset_csgis")
PATCH = CASE.meta["patch_size"]
STEPS = ("brightness", "contrast", "hue")


def params_of(index: int) -> Params:
    row, col, flip, angle, brightness, contrast, hue, order = (
        value for _, value in CASE.meta["draws"][index]
    )
    return Params(
        PATCH,
        PATCH,
        int(row),
        int(col),
        is_flipped=flip < 0.5,
        angle=angle,
        hue=hue,
        contrast=contrast,
        brightness=brightness,
        is_nearest=True,
        color_order=tuple(STEPS[place] for place in order),
    )


def assert_close_levels(actual: Any, recorded: np.ndarray) -> None:
    """At most 2 grey levels apart on 99 % of pixels, as the fixture says."""
    apart = np.abs(np.rint(actual.numpy() * 255) - recorded.astype(int))
    assert np.mean(apart <= 2) >= 0.99, f"largest {apart.max()}, mean {apart.mean():.3f}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        write_image(tmp_path / "train" / f"{i}.png", CASE[f"pair{i}"][..., ::-1])
    (tmp_path / "seg").mkdir()
    for i in range(2):
        write_image(tmp_path / "edge" / f"{i}.png", CASE[f"edge{i}"])
        write_image(tmp_path / "over" / f"{i}.png", CASE[f"over{i}"][..., ::-1])
        (tmp_path / "seg" / f"{i}.png").write_bytes(encode_labels(CASE[f"seg{i}"]))
    return tmp_path


def replayed(index: int, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    monkeypatch.setattr(Patches, "draw", lambda *_: params_of(index))
    dataset = BlendedPairDataset(
        dataroot=str(folder / "train"),
        dataroot_edge=str(folder / "edge"),
        dataroot_segmentation=str(folder / "seg"),
        dataroot_over=str(folder / "over"),
        patch_size=PATCH,
        augment={"recipe": "csgis"},
        **options,
    )
    assert dataset.check() == []
    return dataset.get(index, sample_rng(0, 0))


@pytest.mark.parametrize("index", range(3))
def test_recorded_draws_replay_an_item(index: int, folder: Path, monkeypatch) -> None:
    item = replayed(index, folder, monkeypatch, legacy_unaligned_negative=True)
    assert_close_levels(item["lq"], CASE[f"train{index}_OB"])
    assert_close_levels(item["gt"], CASE[f"train{index}_GT"])
    assert_close_levels(item["over"], CASE[f"train{index}_OV"])
    np.testing.assert_array_equal(item["edge"].numpy() * 255, CASE[f"train{index}_EG"])
    np.testing.assert_array_equal(item["segmentation"].numpy(), CASE[f"train{index}_SE"])


@pytest.mark.parametrize("index", range(3))
def test_an_aligned_negative_is_moved_and_coloured_as_its_ground_truth(
    index: int, folder: Path, monkeypatch
) -> None:
    item = replayed(index, folder, monkeypatch)
    assert_close_levels(item["gt"], CASE[f"train{index}_GT"])
    params = params_of(index)
    window = crop(CASE[f"over{index % 2}"][..., ::-1], params)
    expected = apply_color(apply_geometry(window, params, PATCH), params)
    levels = np.rint(item["over"].numpy() * 255)
    np.testing.assert_array_equal(levels, expected[..., ::-1].transpose(2, 0, 1))
    assert (levels != CASE[f"train{index}_OV"]).any()
