from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data import build_dataset
from smoothkit.data.samples import photograph
from smoothkit.ops.io import read_image, to_float, write_image
from smoothkit.systems.hggt_sr.labels import read_labels
from smoothkit.systems.hggt_sr.low_quality import degrade_folder, enlarge_folder
from smoothkit.systems.hggt_sr.samples import (
    gain,
    label,
    make_sample_hggt,
    overshoot,
    ruined,
    unsharp,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    for name in ("chelsea", "moon"):
        image = cv2.resize(photograph(name), (101, 67), interpolation=cv2.INTER_AREA)
        write_image(root / f"photographs/{name}_0.png", image)
    make_sample_hggt(sorted((root / "photographs").iterdir()), root / "hggt")
    return root


def test_the_folder_is_one_of_hggt(folder: Path) -> None:
    labels = read_labels(folder / "hggt/labels")
    assert (labels.names, labels.versions) == (["chelsea_0", "moon_0"], ["01", "02", "03", "04"])
    assert labels.num_annotators == 3
    data = build_dataset({"type": "HggtDataset", "use": "original",
                          "dataroot_gt": str(folder / "hggt/images"),
                          "dataroot_labels": str(folder / "hggt/labels")})  # fmt: skip
    assert data.check() == []
    assert data[0]["gt"].shape == (3, 64, 96)


def test_stronger_sharpening_gains_and_overshoots_more() -> None:
    image = to_float(photograph("chelsea"))[:64, :64]
    versions = [unsharp(image, 2, amount) for amount in (0, 0.5, 2)]
    gains = [gain(image, version) for version in versions]
    beyond = [overshoot(image, version) for version in versions]
    assert gains == sorted(gains)
    assert gains[0] == pytest.approx(0, abs=1e-6)
    assert beyond == sorted(beyond)
    assert beyond[0] == 0
    assert overshoot(image, ruined(image)) > beyond[2]


def test_the_overshoot_of_a_few_pixels_is_that_of_the_worst_one() -> None:
    version = np.zeros((2, 2, 3))
    version[0, 1] = 0.5  # above the 0 of all pixels around
    assert overshoot(np.zeros((2, 2, 3)), version) == pytest.approx(127.5)


def test_labels_follow_gain_and_overshoot() -> None:
    image = to_float(photograph("chelsea"))[:64, :64]
    better = unsharp(image, 2, 0.5)
    assert label(image, image, 15) == "Similar"
    assert label(image, better, 100) == "Positive"
    assert label(image, better, 1) == "Negative"


def section() -> dict[str, object]:
    return {"stages": [{"jpeg_range": [75, 95]}], "gt_size": 96, "pool_size": 64}


def made(folder: Path, out: Path, seed: int = 0) -> list[np.ndarray]:
    paths = degrade_folder(folder / "hggt/images/original", out, section(), 4, seed=seed)
    return [read_image(path) for path in paths]


def test_low_quality_images_repeat_by_seed_and_name(folder: Path, tmp_path: Path) -> None:
    first, again, other = (made(folder, tmp_path / n, s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    assert [image.shape for image in first] == [(16, 24, 3)] * 2
    for left, right, third in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(left, right)
        assert (left != third).any()
    alone = tmp_path / "alone/moon_0.png"
    write_image(alone, read_image(folder / "hggt/images/original/moon_0.png"))
    (path,) = degrade_folder(alone.parent, tmp_path / "d", section(), 4)
    np.testing.assert_array_equal(read_image(path), first[1])


def test_low_quality_images_show_the_same_in_the_same_colours(folder: Path, tmp_path: Path) -> None:
    (path,) = [p for p in degrade_folder(folder / "hggt/images/original", tmp_path, section(), 4)
               if p.stem == "chelsea_0"]  # fmt: skip
    truth = to_float(read_image(folder / "hggt/images/original/chelsea_0.png"))
    small = cv2.resize(truth, (24, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(to_float(read_image(path)) - small).mean() < 0.05


def test_sides_that_the_scale_does_not_divide_are_named(tmp_path: Path) -> None:
    write_image(tmp_path / "gt/a.png", np.zeros((66, 64, 3), np.uint8))
    with pytest.raises(DataError, match=r"a.png: must have sides that 4 divides, got 66x64"):
        list(degrade_folder(tmp_path / "gt", tmp_path / "lq", section(), 4))
    with pytest.raises(OptionError, match=r"degradation.sinc: .*no such option"):
        list(degrade_folder(tmp_path / "gt", tmp_path / "lq", {"sinc": 1}, 4))


def test_enlarging_a_smooth_image_gives_it_back(tmp_path: Path) -> None:
    y, x = np.mgrid[0:64, 0:48] / 64
    image = (255 * np.stack([x, y, 1 - x], axis=-1)).astype(np.uint8)
    write_image(tmp_path / "lq/a.png", cv2.resize(image, (12, 16), interpolation=cv2.INTER_AREA))
    (path,) = enlarge_folder(tmp_path / "lq", tmp_path / "out", 4)
    assert path.name == "a_bicubic.png"
    inside = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(read_image(path)[inside], image[inside], atol=3)


def test_an_option_file_without_degradation_is_refused(run_script, tmp_path: Path, capsys) -> None:
    (tmp_path / "o.yml").write_text(yaml.safe_dump({"name": "x", "degradation": 3}))
    assert run_script("data_preparation/make_lq.py", "-opt o.yml --gt_dir a --out_dir b") == 2
    assert "o.yml: has no section 'degradation'" in capsys.readouterr().err


def test_pictures_of_folders_stand_side_by_side(run_script, tmp_path: Path, capsys) -> None:
    for folder, suffix, side, level in (
        ("lq", "", 8, 10),
        ("ours", "_x", 32, 90),
        ("gt", "", 32, 200),
    ):
        for name in ("a", "b", "c"):
            write_image(
                tmp_path / f"{folder}/{name}{suffix}.png", np.full((side, side, 3), level, np.uint8)
            )
    columns = "--columns LQ=lq ours=ours truth=gt --cell 20 --num_shown 2"
    assert run_script("metrics/picture_table.py", f"{columns} --out sheet.png") == 0
    sheet = read_image(tmp_path / "sheet.png")
    assert sheet.shape == (24 + 2 * 20, 3 * 20, 3)
    assert [int(sheet[30, 10 + 20 * i, 0]) for i in range(3)] == [10, 90, 200]
    (tmp_path / "ours/c_x.png").unlink()
    assert run_script("metrics/picture_table.py", f"{columns} --out sheet.png") == 2
    assert "ours: has no result for 'c'" in capsys.readouterr().err
