"""Pairs blended while training: items, textures and their draws, refusals."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data.base import sample_rng
from smoothkit.data.online_blend import OnlineBlendDataset, edge_window
from smoothkit.data.texture_draws import TextureParams, TextureRanges, apply_texture, sample_texture
from smoothkit.ops.augment import Params
from smoothkit.ops.blend import blend, edge_map, training_pair
from smoothkit.ops.io import write_image
from support.pairs import assert_same, noise, smooth


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for b in range(3):
        write_image(tmp_path / "gt" / f"{b}.png", smooth(b) + noise(b) // 16)
    write_image(tmp_path / "tx" / "a.png", noise(7, 9, 13))
    write_image(tmp_path / "tx" / "b.png", noise(8, 60, 50))
    return tmp_path


def online(root: Path, **options: Any) -> OnlineBlendDataset:
    options = {"patch_size": 32, **options}
    return OnlineBlendDataset(f"{root}/gt", f"{root}/tx", **options)


def test_online_items_are_those_of_the_blending_script(sources: Path) -> None:
    dataset = online(sources, patch_size=None, color="bgr", random_offset=False)
    assert len(dataset) == 6
    gt = smooth(1) + noise(1) // 16
    observation = training_pair(gt, blend(noise(8, 60, 50), gt))[:, 44:]
    item = dataset[4]  # texture 1 over ground truth 1
    assert (Path(item["gt_path"]).name, Path(item["lq_path"]).name) == ("1.png", "b.png")
    np.testing.assert_array_equal((item["gt"] * 255).round(), gt.transpose(2, 0, 1))
    np.testing.assert_array_equal((item["lq"] * 255).round(), observation.transpose(2, 0, 1))
    np.testing.assert_array_equal(item["edge"][0], edge_map(gt) > 0)


@pytest.mark.parametrize("window", [(0, 0), (3, 5), (8, 12)])
def test_a_window_is_that_of_the_whole_blend(window: tuple[int, int]) -> None:
    texture, gt = noise(7, 9, 13), smooth(1) + noise(1) // 8
    grey = (texture @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
    params = Params(32, 32, *window)
    row, col = window
    rolled = np.roll(texture, (-4, -6), axis=(0, 1))
    whole = np.clip(np.rint(blend(rolled, gt)), 0, 255)
    part = apply_texture(grey, gt, TextureParams(4, 6), params)
    assert part.dtype == np.uint8
    assert np.abs(part - whole[row : row + 32, col : col + 32]).max() <= 1  # ties may round apart
    assert np.mean(part != whole[row : row + 32, col : col + 32]) < 0.001
    edges = edge_window(gt, params, "gray")
    np.testing.assert_array_equal(edges, (edge_map(gt, "gray") > 0)[row : row + 32, col : col + 32])


@pytest.mark.parametrize("cache", [False, True])
def test_online_items_depend_on_their_generator_alone(sources: Path, cache: bool) -> None:
    dataset = online(sources, augment=True, cache=cache)
    first = dataset.get(2, sample_rng(1, 2))
    dataset.get(5, sample_rng(9, 9))
    assert_same(first, dataset.get(2, sample_rng(1, 2)))
    assert_same(first, pickle.loads(pickle.dumps(dataset)).get(2, sample_rng(1, 2)))
    assert not torch.equal(first["lq"], dataset.get(2, sample_rng(1, 3))["lq"])


def deviation(grey: np.ndarray, size: int = 12, **params) -> np.ndarray:
    """What a texture adds to a mid-grey ground truth, (size, size, 3)."""
    gt = np.full((size, size, 3), 128, np.uint8)
    whole = Params(size, size, 0, 0)
    return apply_texture(grey, gt, TextureParams(**params), whole).astype(int) - 128


def test_a_quarter_turn_of_a_texture_is_its_transpose_mirrored() -> None:
    grey = np.random.default_rng(0).integers(0, 100, (12, 12)).astype(np.float32)
    # Counter-clockwise about the top left pixel: what lay to its right comes above it.
    turned = np.roll(np.rot90(grey), 1, axis=0)
    np.testing.assert_allclose(deviation(grey, angle=90), deviation(turned), atol=1)


def test_a_texture_at_twice_its_size_repeats_half_as_often() -> None:
    wave = 40 * np.sin(2 * np.pi * np.arange(8) / 8)[None].repeat(8, 0).astype(np.float32)
    large = deviation(wave, 32, scale=2.0)[0, :, 0]
    assert np.argmax(np.abs(np.fft.rfft(large))) == 2
    assert np.argmax(np.abs(np.fft.rfft(deviation(wave, 32)[0, :, 0]))) == 4


def test_gains_scale_the_deviation_of_each_channel() -> None:
    grey = np.random.default_rng(0).integers(0, 40, (6, 6)).astype(np.float32)
    plain, strong = deviation(grey), deviation(grey, gains=(2.0, 1.0, 0.5))
    np.testing.assert_allclose(strong, plain * [2, 1, 0.5], atol=1.5)


def test_draws_of_textures_cover_their_ranges() -> None:
    rng = np.random.default_rng(0)
    ranges = TextureRanges(scale=(0.5, 2), angle=30, strength=(0.8, 1.2), color=0.1)
    draws = [sample_texture(rng, 5, 7, ranges) for _ in range(2000)]
    scales = np.array([d.scale for d in draws])
    assert 0.5 <= scales.min() < 0.51 < 1.96 < scales.max() <= 2
    assert np.median(scales) == pytest.approx(1, abs=0.05)
    assert -30 <= min(d.angle for d in draws) < -29 < 29 < max(d.angle for d in draws) <= 30
    gains = np.array([d.gains for d in draws])
    assert gains.min() == pytest.approx(0.72, abs=0.02)
    assert gains.max() == pytest.approx(1.32, abs=0.02)
    assert {d.row for d in draws} == set(range(5))


def test_texture_options_change_the_observation_alone(sources: Path) -> None:
    plain = online(sources, patch_size=32).get(1, sample_rng(0, 0))
    options = {"scale": [0.5, 2], "angle": 90, "strength": [0.5, 2], "color": 0.3}
    varied = online(sources, patch_size=32, texture=options).get(1, sample_rng(0, 0))
    assert torch.equal(plain["gt"], varied["gt"])
    assert not torch.equal(plain["lq"], varied["lq"])


@pytest.mark.parametrize(
    ("texture", "told"),
    [
        ({"scale": [2, 1]}, "texture: scale: must be two rising numbers above 0, got 2, 1"),
        ({"color": 1}, "texture: color: must be at least 0 and below 1"),
        ({"size": 1}, "texture.size: texture takes no such option"),
        ({"scale": 2}, "texture.scale: must be a list"),
    ],
)
def test_texture_options_out_of_range_are_refused(sources: Path, texture, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        online(sources, texture=texture)


def test_a_pickled_data_set_leaves_its_cache_behind(sources: Path) -> None:
    dataset = online(sources)
    size = len(pickle.dumps(dataset))
    dataset[0]
    assert len(pickle.dumps(dataset)) == size


def test_bad_sources_are_named_for_every_item_that_needs_them(sources: Path) -> None:
    write_image(sources / "gt" / "1.png", smooth(1, 20, 44))
    write_image(sources / "tx" / "b.png", noise(8, 60, 50, np.uint16))
    faults = dict(online(sources).check())
    assert sorted(faults) == [1, 3, 4, 5]
    assert re.search(r"gt/1\.png: must be at least 32x32 .*got 20x44", faults[1])
    assert re.search(r"tx/b\.png: must have 8 bits per channel", faults[3])
    for index, fault in faults.items():
        with pytest.raises(DataError) as error:
            online(sources)[index]
        assert str(error.value) in (fault, faults[3])


def test_online_folders_are_named_by_their_options(sources: Path) -> None:
    with pytest.raises(DataError, match="dataroot_gt: no such folder"):
        OnlineBlendDataset(f"{sources}/x", f"{sources}/tx")
    with pytest.raises(DataError, match="dataroot_texture: no such folder"):
        OnlineBlendDataset(f"{sources}/gt", f"{sources}/x")


def test_online_blending_mirrors_small_ground_truths_and_can_leave_edges_out(
    sources: Path,
) -> None:
    item = online(sources, patch_size=64, pad="reflect", edge=False, augment=True)[3]
    assert item["lq"].shape == (3, 64, 64)
    assert "edge" not in item
