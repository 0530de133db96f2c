"""A small data set in VOC's layout: what its masks say of the photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.ops.io import encode_image, read_image, write_image
from smoothkit.ops.labels import read_labels, voc_palette
from smoothkit.systems.csgis.samples import cluster, make_sample_voc
from support.voc import contents

RED, GREEN, BLUE = (20, 20, 200), (30, 160, 30), (180, 40, 30)


def halves(left: tuple[int, ...], right: tuple[int, ...], columns: int) -> np.ndarray:
    """(40, 60, 3) of two colours that meet behind ``columns``, with a little noise."""
    image = np.full((40, 60, 3), right, np.int16)
    image[:, :columns] = left
    noise = np.random.default_rng(columns).integers(-4, 5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_image(tmp_path / "train/a.png", halves(RED, GREEN, 45))
    write_image(tmp_path / "train/b.bmp", halves(BLUE, RED, 15))
    (tmp_path / "test").mkdir()
    (tmp_path / "test/c.JPG").write_bytes(encode_image(halves(GREEN, RED, 20), ".jpg"))
    return tmp_path


def make(root: Path, out: str = "voc", **options) -> list[float]:
    return make_sample_voc([root / "train", root / "test"], root / out, **options)


def mask(root: Path, name: str) -> np.ndarray:
    return read_labels(root / f"voc/SegmentationClass/{name}.png")


def test_a_colour_is_one_class_in_all_photographs_the_most_frequent_first(root: Path) -> None:
    shares = make(root, num_classes=3)
    assert shares == pytest.approx([130 / 180, 35 / 180, 15 / 180], abs=0.02)
    expected = {"a": (45, 0, 1), "b": (15, 2, 0), "c": (20, 1, 0)}
    for name, (columns, left, right) in expected.items():
        found = mask(root, name)
        assert (found[:, : columns - 2] == left).all()
        assert (found[:, columns + 2 :] == right).all()


@pytest.mark.parametrize("seed", range(4))
def test_centres_lie_where_the_weight_is(seed: int) -> None:
    # The heavy 0 and 5 are the centres: 3 is nearer to 5. Their plain means would move apart.
    points, weights = np.array([[0.0], [3.0], [5.0], [11.0]]), np.array([50.0, 1.0, 50.0, 1.0])
    classes, shares = cluster(points, weights, 2, np.random.default_rng(seed))
    assert classes.tolist() == [1, 0, 0, 0]
    assert shares == pytest.approx([52 / 102, 50 / 102])


def test_borders_between_classes_are_255_and_two_pixels_wide(root: Path) -> None:
    make(root, num_classes=3)
    assert ((mask(root, "a") == 255).sum(axis=1) == 2).all()
    color = read_image(root / "voc/SegmentationClass/a.png")[0, 45]
    np.testing.assert_array_equal(color[::-1], voc_palette()[255])


def test_photographs_lose_nothing(root: Path) -> None:
    make(root)
    photos = root / "voc/JPEGImages"
    assert sorted(path.name for path in photos.iterdir()) == ["a.png", "b.png", "c.jpg"]
    assert (photos / "a.png").read_bytes() == (root / "train/a.png").read_bytes()
    assert (photos / "c.jpg").read_bytes() == (root / "test/c.JPG").read_bytes()
    np.testing.assert_array_equal(read_image(photos / "b.png"), read_image(root / "train/b.bmp"))


def test_it_is_made_alike_each_time_and_only_changes_are_written(root: Path) -> None:
    make(root, seed=3)
    before = {path: path.stat().st_mtime_ns for path in (root / "voc").rglob("*.*g")}
    make(root, seed=3, workers=1)
    assert {path: path.stat().st_mtime_ns for path in (root / "voc").rglob("*.*g")} == before
    make(root, "other", seed=3, workers=1)
    assert contents(root / "other") == contents(root / "voc")


def test_photographs_with_fewer_regions_than_classes_get_fewer_classes(tmp_path: Path) -> None:
    write_image(tmp_path / "dot/a.png", np.full((1, 1, 3), 7, np.uint8))
    assert make_sample_voc([tmp_path / "dot"], tmp_path / "voc") == [1.0]


def test_clusters_are_the_weighted_groups_of_points() -> None:
    points = np.array([[0.0], [1.0], [10.0], [11.0], [50.0]])
    weights = np.array([1.0, 2, 4, 1, 2])
    for seed in range(5):
        own, shares = cluster(points, weights, 3, np.random.default_rng(seed))
        assert own.tolist() == [1, 1, 0, 0, 2]
        assert shares == [0.5, 0.3, 0.2]


def test_two_photographs_of_one_name_are_refused(root: Path) -> None:
    write_image(root / "test/a.png", halves(RED, BLUE, 30))
    with pytest.raises(DataError, match=r"test.a\.png: has the name of a\.png"):
        make(root)
    assert not (root / "voc").exists()


def test_another_set_takes_the_place_of_the_first_and_that_is_told(root: Path, caplog) -> None:
    caplog.set_level("INFO")
    make(root, num_classes=3)
    photo = root / "voc/JPEGImages/a.png"
    before = photo.stat().st_mtime_ns
    make(root, num_classes=2)
    told = "voc: 3 results are made anew; what changed: settings (num_classes 3, now 2)."
    assert told in caplog.text
    make_sample_voc([root / "train"], root / "voc", num_classes=2)
    assert "2 results are made anew; what changed: photographs 3 images, now 2 im" in caplog.text
    assert "voc: 2 images are removed; an earlier run made what these images and" in caplog.text
    make_sample_voc([root / "train"], root / "fresh", num_classes=2)
    assert contents(root / "voc") == contents(root / "fresh")
    assert photo.stat().st_mtime_ns == before


def test_a_voc_that_was_not_made_here_is_left_alone(root: Path) -> None:
    photo = root / "voc/JPEGImages/own.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes((root / "test/c.JPG").read_bytes())
    with pytest.raises(DataError, match=r"own\.jpg: is there already, and no note tells what"):
        make(root)
    with pytest.raises(DataError, match=r"train: holds what it is to be made from"):
        make(root, "train")
    with pytest.raises(DataError, match=r"JPEGImages: is where results go\. Copy the images"):
        make_sample_voc([root / "voc/JPEGImages"], root / "voc")
    assert [path.name for path in (root / "voc").rglob("*.*")] == ["own.jpg"]
    make(root, overwrite=True)
    assert photo.read_bytes() == (root / "test/c.JPG").read_bytes()
    assert len(contents(root / "voc")) == 7
