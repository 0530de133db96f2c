from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.engine.picture_table import picture_table
from smoothkit.ops.blend import training_pair
from smoothkit.ops.filters import FILTERS, Candidate
from smoothkit.ops.io import read_image, to_float, to_uint8, write_image
from smoothkit.systems.jess.compare import (
    INPUT,
    TRUTH,
    Pair,
    compare,
    measure,
    read_pair,
    report,
    tune,
    write_comparison,
)

GRIDS = {"l0": {"lam": (0.001, 0.05)}, "bilateral": {"sigma_color": (0.02, 0.4)}}


def write_pairs(folder: Path, count: int) -> None:
    """Steps with stripes over them."""
    for number in range(count):
        gt = np.full((24, 30, 3), 60, np.uint8)
        gt[:, 10 + number :] = 190
        stripes = 12 * (-1.0) ** np.arange(30)[None, :, None]
        write_image(folder / f"{number}.png", training_pair(gt, gt + stripes))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "train", 2)
    write_pairs(tmp_path / "test", 3)
    return tmp_path


def test_pair_is_split_in_the_middle(pairs: Path) -> None:
    path = pairs / "test" / "2.png"
    pair = read_pair(path)
    np.testing.assert_array_equal(
        np.hstack([pair.gt, pair.observation]), to_float(read_image(path))
    )
    assert pair.name == "2"


def test_an_equal_result_is_told_and_left_out_of_the_mean(pairs: Path) -> None:
    for number in range(3):
        pair = read_pair(pairs / f"test/{number}.png")
        result = pair.gt if number == 0 else pair.gt + 0.1
        write_image(pairs / f"net/{number}.png", to_uint8(result))
    comparison = compare(
        pairs / "train", pairs / "test", networks={"net": pairs / "net"}, grids={}, num_shown=1
    )
    score = comparison.scores["net"]
    assert score.psnr == pytest.approx(20 * math.log10(255 / 26), abs=0.05)
    assert score.left_out == 1
    assert "net: 1 infinite values left out of the mean PSNR" in report(comparison)


def test_pair_of_odd_width_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png", np.zeros((4, 7, 3), np.uint8))
    with pytest.raises(DataError, match=r"p\.png: a pair has an even width, got 7x4"):
        read_pair(tmp_path / "p.png")


def test_centre_is_the_same_window_of_both_images() -> None:
    image = np.arange(7 * 9 * 3, dtype=np.float32).reshape(7, 9, 3)
    crop = Pair("x", image, image + 1).centre(5)
    np.testing.assert_array_equal(crop.gt, image[1:6, 2:7])
    np.testing.assert_array_equal(crop.observation, image[1:6, 2:7] + 1)


def test_tuning_takes_the_settings_of_the_highest_psnr(pairs: Path) -> None:
    tuning = [read_pair(pairs / "train" / "0.png")]
    grid = {"lam": (1e-4, 0.05, 5.0)}
    scores = {
        lam: measure(FILTERS["l0"](tuning[0].observation, lam=lam), tuning[0])[0]
        for lam in grid["lam"]
    }
    assert tune("l0", grid, tuning) == {"lam": max(scores, key=scores.__getitem__)} == {"lam": 0.05}


def test_scores_are_means_over_the_test_pairs(pairs: Path) -> None:
    result = compare(pairs / "train", pairs / "test", grids=GRIDS)
    assert result.num_test == 3
    assert list(result.scores) == [INPUT, "l0", "bilateral"]
    assert result.scores[INPUT].psnr == pytest.approx(20 * math.log10(255 / 12), abs=1e-3)
    assert result.settings == {"l0": {"lam": 0.05}, "bilateral": {"sigma_color": 0.4}}
    assert result.scores["l0"].psnr > 35


def test_results_of_the_network_are_found_by_name_with_or_without_suffix(pairs: Path) -> None:
    for number in range(3):
        gt = to_uint8(read_pair(pairs / "test" / f"{number}.png").gt)
        write_image(pairs / "net" / f"{number}{'_jess' * (number % 2)}.png", gt)
    result = compare(pairs / "train", pairs / "test", networks={"net": pairs / "net"}, grids={})
    assert result.scores["net"].ssim == pytest.approx(1)
    assert list(result.pictures[0]) == [INPUT, "net", TRUTH]


def test_missing_and_misshapen_results_are_named(pairs: Path) -> None:
    for name in ("0.png", "1.png"):
        write_image(pairs / "net" / name, np.zeros((24, 29, 3), np.uint8))
    with pytest.raises(DataError, match="net: has no result for '2'"):
        compare(pairs / "train", pairs / "test", networks={"net": pairs / "net"}, grids={})
    write_image(pairs / "net" / "2.png", np.zeros((24, 30, 3), np.uint8))
    with pytest.raises(DataError, match=r"0\.png: must be \(24, 30\) pixels \(H, W\), got \(24, 2"):
        compare(pairs / "train", pairs / "test", networks={"net": pairs / "net"}, grids={})


def test_a_filter_of_fixed_settings_is_applied_as_it_is(pairs: Path) -> None:
    weak = {"weak": Candidate("l0", {"lam": 1e-5})}
    result = compare(pairs / "train", pairs / "test", grids={}, fixed=weak)
    assert list(result.scores) == [INPUT, "weak"]
    assert result.scores["weak"].psnr == pytest.approx(result.scores[INPUT].psnr, abs=0.1)
    assert result.settings == {"weak": {"lam": 1e-5}}


def test_drawn_test_pairs_do_not_depend_on_the_tuning(pairs: Path) -> None:
    first, second = (
        compare(pairs / "train", pairs / "test", grids={}, num_tuning=n, num_test=1) for n in (1, 2)
    )
    np.testing.assert_array_equal(first.pictures[0][TRUTH], second.pictures[0][TRUTH])


def test_written_files_hold_the_scores_and_the_pictures(pairs: Path) -> None:
    result = compare(pairs / "train", pairs / "test", grids=GRIDS, num_shown=2)
    write_comparison(result, pairs / "out")
    written = json.loads((pairs / "out" / "comparison.json").read_text())
    assert written["scores"]["l0"] == {
        "psnr": result.scores["l0"].psnr,
        "ssim": result.scores["l0"].ssim,
        "left_out": 0,
    }
    sheet = read_image(pairs / "out" / "comparison.png")
    assert sheet.shape == (24 + 2 * 24, 4 * 30, 3)
    assert "l0" in report(result)
    assert "lam=0.05" in report(result)


def test_pictures_of_different_sizes_are_cropped_to_one(tmp_path: Path) -> None:
    rows = [{"a": np.zeros((h, w, 3)), "b": np.ones((h, w, 3))} for h, w in ((9, 40), (12, 32))]
    assert picture_table(rows, cell=10).shape == (24 + 9 + 9, 20, 3)
