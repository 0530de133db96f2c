from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.data import samples
from smoothkit.ops.io import read_image

SMALL = {"sides": (96, 128), "textures_per_kind": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, samples.Split]:
    return samples.make_samples(tmp_path_factory.mktemp("samples"), **SMALL)


def test_photographs_are_on_one_side_of_the_split(written: dict[str, samples.Split]) -> None:
    names = {
        split: {path.stem.rpartition("_")[0] for path in files.photographs}
        for split, files in written.items()
    }
    assert names["test"] == set(samples.TEST_PHOTOGRAPHS)
    assert names["train"] == set(samples.PHOTOGRAPHS) - names["test"]


def test_textures_differ_between_the_sides(written: dict[str, samples.Split]) -> None:
    train, test = (
        [read_image(path, mode="gray") for path in written[split].textures]
        for split in ("train", "test")
    )
    assert len(train) == 8 + 3 * 3 * 2
    assert len(test) == 8 + 3 * 2
    assert not any(a.shape == b.shape and np.array_equal(a, b) for a in train for b in test)


def test_written_sides_are_within_the_limits(written: dict[str, samples.Split]) -> None:
    for split in written.values():
        for path in split.photographs:
            assert all(96 <= side <= 128 for side in read_image(path).shape[:2])


def test_quarters_of_a_texture_picture_do_not_meet() -> None:
    picture = np.arange(64).reshape(8, 8)
    train, test = (
        {pixel for _, piece in samples._quarters(picture, side) for pixel in piece.ravel()}
        for side in (False, True)
    )
    assert train | test == set(range(64))
    assert not train & test


def test_an_eighth_of_a_photographed_texture_fades_into_its_other_side() -> None:
    # Quarters of 512 x 512 pixels, at full and at half size.
    drawn = samples.sample_textures(0, 0, is_test=True)
    assert {name: tile.shape for name, tile in drawn if name.startswith("brick")} == {
        "brick3_0": (256 - 32,) * 2,
        "brick3_1": (128 - 16,) * 2,
    }


def test_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        samples.make_samples(tmp_path / name, limit=2, seed=seed, **SMALL)
    first, again, other = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.png")}
        for n in "abc"
    )
    assert len(first) == 8
    assert first == again
    assert first != other


def test_more_textures_leave_the_first_ones_as_they_are() -> None:
    few = dict(samples.sample_textures(1, 0, is_test=False))
    many = dict(samples.sample_textures(2, 0, is_test=False))
    assert all(np.array_equal(texture, many[name]) for name, texture in few.items())


def test_windows_do_not_overlap_and_the_whole_comes_last() -> None:
    image = np.random.default_rng(0).integers(0, 256, (400, 520, 3)).astype(np.uint8)
    left, right, whole = samples.photograph_crops(image, 256, 400)
    np.testing.assert_array_equal(left, image[:, :260])
    np.testing.assert_array_equal(right, image[:, 260:])
    assert whole.shape == (308, 400, 3)


def test_whole_is_left_out_where_it_would_be_too_small() -> None:
    image = np.zeros((300, 520, 3), np.uint8)
    assert [crop.shape[:2] for crop in samples.photograph_crops(image, 256, 400)] == [
        (300, 260)
    ] * 2


def test_unknown_photograph_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^lena: no such photograph. Known: astronaut, camera,"):
        samples.make_samples(tmp_path, test_photographs=["lena"])
