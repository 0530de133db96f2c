"""Drawn alphas, the demo's data, and classical methods beside a network."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.data import build_dataset
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.lsa import classical
from smoothkit.systems.lsa.classical import METHODS
from smoothkit.systems.lsa.comparison import compare, read_test_set, report
from smoothkit.systems.lsa.samples import KINDS, make_sample_foregrounds
from support.matting import make_matting_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("matting")
    make_matting_data(root)
    return root / "datasets/matting_demo"


@pytest.mark.parametrize("kind", KINDS)
def test_an_alpha_has_an_inside_an_outside_and_much_between(kind: str) -> None:
    for seed in range(5):
        alpha = KINDS[kind](np.random.default_rng(seed), 128)
        assert (alpha.shape, alpha.dtype) == ((128, 128), np.float32)
        assert alpha.min() == 0
        assert 0.98 < alpha.max() <= 1
        assert alpha[:2].max() < 0.05
        share = ((alpha > 0.02) & (alpha < 0.98)).mean()
        assert 0.02 < share < 0.5


def test_names_and_seeds_alone_decide(tmp_path: Path) -> None:
    for name in ("cat_0", "dog_0", "dog_1"):
        write_image(tmp_path / f"{name}.png", np.full((70, 50, 3), 90, np.uint8))
    photographs = sorted(tmp_path.glob("*.png"))
    made = make_sample_foregrounds(photographs, tmp_path / "a", num_each=1, side=48)
    again = make_sample_foregrounds(photographs[1:], tmp_path / "b", num_each=1, side=48)
    assert made[:3] == ["cat_0_blob0", "cat_0_hair0", "cat_0_lace0"]
    assert again == made[3:]
    for name in again:
        first, second = (read_image(tmp_path / f"{d}/alpha/{name}.png") for d in "ab")
        assert np.array_equal(first, second)
    make_sample_foregrounds(photographs[:2], tmp_path / "c", num_each=1, side=48, seed=1)
    other = read_image(tmp_path / f"c/alpha/{made[0]}.png")
    assert not np.array_equal(other, read_image(tmp_path / f"a/alpha/{made[0]}.png"))
    backgrounds = (tmp_path / "a/test_bg_names.txt").read_text().split()
    assert len(backgrounds) == 2 * len(made)
    for index, name in enumerate(made):
        scenes = {b.partition("_")[0] for b in backgrounds[2 * index : 2 * index + 2]}
        assert name.partition("_")[0] not in scenes


def test_the_data_sets_take_the_folders(data: Path) -> None:
    train = build_dataset({"type": "MattingCompositionDataset", "dataroot": str(data / "train"),
                           "train_size": 32, "crop_size": [24, 40]})  # fmt: skip
    assert train.check() == []
    assert train[0]["gt"].shape == (1, 32, 32)
    test = build_dataset({"type": "MattingTestDataset", "dataroot": str(data / "val")})
    assert len(test) == 2


def test_a_photograph_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((40, 40, 3), 90, np.uint8))
    Image.new("CMYK", (40, 40)).save(tmp_path / "b.jpg")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:-30])
    (tmp_path / "d.png").write_bytes(b"no")
    with pytest.raises(DataError) as caught:
        make_sample_foregrounds(sorted(tmp_path.iterdir()), tmp_path / "out")
    lines = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    told = ("b.jpg: is a CMYK image", "c.png: cannot be decoded", "d.png: is not a PNG")
    assert [line[: len(start)] for line, start in zip(lines, told, strict=True)] == list(told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names",
    [("IMG_0001", "IMG_0002", "IMG_0003"), ("astronaut", "cat"), ("a_b_0", "a_b_1"), ("x_0", "x")],
)
def test_no_foreground_is_put_before_its_own_photograph(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        write_image(tmp_path / f"{name}.png", np.full((40, 40, 3), 90, np.uint8))
    made = make_sample_foregrounds(
        sorted(tmp_path.glob("*.png")), tmp_path / "out", num_each=1, side=32, per_foreground=3
    )
    backgrounds = (tmp_path / "out/test_bg_names.txt").read_text().splitlines()
    assert len(backgrounds) == 3 * len(made)
    for index, name in enumerate(made):
        own = f"{name.rpartition('_')[0]}.png"
        taken = set(backgrounds[3 * index : 3 * index + 3])
        assert own not in taken
        assert taken <= {f"{other}.png" for other in names}


def test_a_single_photograph_and_twins_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp"):
        write_image(tmp_path / name, np.full((40, 40, 3), 90, np.uint8))
    with pytest.raises(DataError, match=r"needs at least two photographs, .*got 1, .*a\.png\."):
        make_sample_foregrounds([tmp_path / "a.png"], tmp_path / "out")
    with pytest.raises(DataError, match=r"has both a\.bmp and a\.png"):
        make_sample_foregrounds(sorted(tmp_path.glob("a.*")), tmp_path / "out")
    with pytest.raises(ValueError, match=r"side: must be from 32 to 4096, got 9000"):
        make_sample_foregrounds([], tmp_path / "out", side=9000)
    assert not (tmp_path / "out").exists()


def test_closed_form_and_knn_beat_the_trimap(data: Path, tmp_path: Path) -> None:
    test_set = read_test_set(str(data / "val"))
    folders = {name: tmp_path / name for name in METHODS}
    for name, folder in folders.items():
        paths = list(test_set.estimate(name, folder))
        assert [path.stem for path in paths] == [Path(n).stem for n in test_set.names]
    scores = compare(test_set, folders).scores
    for name in ("closed_form", "knn"):
        assert scores[name]["sad"] < 0.6 * scores["trimap"]["sad"]
    shown = report(compare(test_set, folders)).splitlines()
    assert [line.split()[0] for line in shown] == ["method", *METHODS, "means"]
    assert float(shown[1].split()[2]) == pytest.approx(1000 * scores["trimap"]["mse"], abs=0.01)


@pytest.fixture
def small_set(data: Path, tmp_path: Path) -> Path:
    """A copy of the test set, which may be changed."""
    for folder in ("merged", "trimaps", "alpha_copy"):
        shutil.copytree(data / "val" / folder, tmp_path / "set" / folder)
    return tmp_path / "set"


def estimated(
    root: Path, method: str = "trimap", *, overwrite: bool = False
) -> dict[str, np.ndarray]:
    """Mattes by stem, beside the test set."""
    mattes = root.parent / "mattes"
    paths = list(read_test_set(str(root)).estimate(method, mattes, overwrite=overwrite))
    return {path.stem: read_image(path, mode="whole") for path in paths}


def made_times(root: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in sorted((root.parent / "mattes").glob("*.png"))]


def test_mattes_of_these_images_and_trimaps_are_kept(small_set: Path) -> None:
    estimated(small_set)
    first = made_times(small_set)
    estimated(small_set)
    assert made_times(small_set) == first
    names = {path.name for path in (small_set.parent / "mattes").iterdir()}
    assert names == {*read_test_set(str(small_set)).names, NOTE}


@pytest.mark.parametrize("folder", ["merged", "trimaps"])
def test_the_matte_of_a_changed_image_or_trimap_is_made_anew(small_set: Path, folder: str) -> None:
    name = read_test_set(str(small_set)).names[0]
    estimated(small_set)
    first = made_times(small_set)
    path = small_set / folder / name
    pixels = read_image(path, mode="whole")
    write_image(path, pixels[::-1])
    estimated(small_set)
    is_new = [now != before for now, before in zip(made_times(small_set), first, strict=True)]
    assert is_new == [True, False]
    write_image(path, pixels)
    levels = estimated(small_set)[Path(name).stem] // 257
    trimap = read_image(small_set / "trimaps" / name, mode="whole")
    np.testing.assert_array_equal(levels, np.where(trimap == 128, 127, trimap))


def test_a_matte_of_another_method_is_made_anew_and_one_of_nobody_kept(small_set: Path) -> None:
    expected = estimated(small_set)
    estimated(small_set, "closed_form")
    for stem, matte in estimated(small_set).items():
        np.testing.assert_array_equal(matte, expected[stem])
    foreign = small_set.parent / f"mattes/{next(iter(expected))}.png"
    write_image(foreign, np.full((72, 72), 7, np.uint8))
    with pytest.raises(DataError, match=r"is there already, and no note tells .* or --overwrite"):
        estimated(small_set)
    assert read_image(foreign).max() == 7
    again = estimated(small_set, overwrite=True)
    np.testing.assert_array_equal(again[foreign.stem], expected[foreign.stem])


@pytest.mark.parametrize("at", [1, 2])
def test_a_kill_never_leaves_a_matte_that_counts_for_another_trimap(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Stopped before each of the two files of a run: the trimaps before come back after it."""
    monkeypatch.setitem(classical.METHODS, "serial", classical.trimap_as_alpha)
    expected = estimated(small_set, "serial")
    trimaps = {path: path.read_bytes() for path in (small_set / "trimaps").iterdir()}
    for path in trimaps:
        write_image(path, np.full((72, 72), 128, np.uint8))
    calls, real = count(1), os.replace

    def killed(*args: Path) -> None:
        if next(calls) >= at:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        estimated(small_set, "serial")
    monkeypatch.setattr(os, "replace", real)
    for path, content in trimaps.items():
        path.write_bytes(content)
    for stem, matte in estimated(small_set, "serial").items():
        np.testing.assert_array_equal(matte, expected[stem])


def test_a_method_that_fails_names_the_image(data: Path, tmp_path: Path) -> None:
    for folder in ("merged", "trimaps", "alpha_copy"):
        (tmp_path / folder).mkdir()
    name = read_test_set(str(data / "val")).names[0]
    write_image(tmp_path / f"merged/{name}", read_image(data / f"val/merged/{name}"))
    trimap = np.zeros((72, 72), np.uint8)
    trimap[20:40] = 128  # no foreground is known
    write_image(tmp_path / f"trimaps/{name}", trimap)
    alpha = cv2.imread(str(data / f"val/alpha_copy/{name}"), cv2.IMREAD_GRAYSCALE)
    write_image(tmp_path / f"alpha_copy/{name}", np.where(trimap == 0, 0, alpha).astype(np.uint8))
    test_set = read_test_set(str(tmp_path))
    with pytest.raises(
        DataError, match=f"merged/{name}: closed_form fails: Trimap did not contain"
    ):
        list(test_set.estimate("closed_form", tmp_path / "out"))


def test_a_test_set_without_alphas_is_refused(data: Path, tmp_path: Path) -> None:
    for folder in ("merged", "trimaps"):
        (tmp_path / folder).symlink_to(data / "val" / folder)
    with pytest.raises(DataError, match="has no alpha_copy"):
        read_test_set(str(tmp_path))
