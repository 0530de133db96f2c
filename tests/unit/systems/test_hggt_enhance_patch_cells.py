"""Where patches are tried, and their figures."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from smoothkit.systems.hggt_enhance.prepare.min_dist import MinDist, counts, parse_min_dist
from smoothkit.systems.hggt_enhance.prepare.patch_cells import (
    Cell,
    Rule,
    as_records,
    cells_of,
    distance,
    figures_of,
    from_records,
    grey_levels,
    laplacian,
    variance,
)
from smoothkit.systems.hggt_enhance.prepare.patch_draws import draw_corners, inside
from smoothkit.systems.hggt_enhance.prepare.patch_selection import in_order
from support.enhanced import picture


class Highest(random.Random):
    """Gives the upper end of each range, which it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[int, int]] = []

    def randint(self, a: int, b: int) -> int:
        self.ends.append((a, b))
        return b


@pytest.mark.parametrize(
    ("side", "start"), [(40, 32), (1199, 32), (1200, 64), (2399, 64), (2400, 128)]
)
def test_the_grid_starts_later_in_larger_images(side, start):
    rng = Highest()
    draw_corners(rng, side, 100, 288)
    assert rng.ends[:2] == [(0, start), (0, 32)]
    rng = Highest()
    draw_corners(rng, 100, side, 288)
    assert rng.ends[:2] == [(0, 32), (0, start)]


def test_every_cell_is_shifted_and_takes_two_numbers_wherever_it_lies():
    rng = Highest()
    corners = draw_corners(rng, 100, 80, 30)
    # Rows 32, 62, 92 and columns 32, 62, shifted by 16.
    assert corners == [(48, 48), (48, 78), (78, 48), (78, 78), (108, 48), (108, 78)]
    assert rng.ends[2:] == [(-16, 16)] * 12
    assert inside(corners, 100, 80, 22) == [(48, 48), (78, 48)]


def test_shifts_do_not_lead_out_of_the_image():
    corners = [
        corner for seed in range(50) for corner in draw_corners(random.Random(seed), 90, 90, 9)
    ]
    assert min(min(corner) for corner in corners) == 0


def test_grey_is_pillows_sum_of_the_colours():
    image = picture(0)
    b, g, r = (image[..., channel].astype(np.int64) for channel in range(3))
    expected = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
    np.testing.assert_array_equal(grey_levels(image), expected)


def test_the_clipped_laplacian_loses_its_negative_half():
    spot = np.zeros((5, 5), np.uint8)
    spot[2, 2] = 10
    # Four neighbours of 10; -40 in the middle counts as 0 where it is clipped.
    assert variance(laplacian(spot, "clipped")) == pytest.approx(400 / 25 - (40 / 25) ** 2)
    assert variance(laplacian(spot, "signed")) == pytest.approx(2000 / 25)
    # -400 and +400 where only 255 fits.
    cross = np.full((3, 3), 100, np.uint8)
    cross[1, 1] = 0
    assert laplacian(cross, "clipped")[1, 1] == 255
    assert laplacian(cross, "signed")[1, 1] == 400


def test_the_border_of_each_patch_is_reflected_without_its_edge():
    ramp = np.tile(np.arange(6, dtype=np.uint8), (4, 1))
    # Left of column 0 stands column 1 again: 1 + 1 - 2 * 0; right of column 5 column 4.
    np.testing.assert_array_equal(laplacian(ramp, "signed")[1], [2, 0, 0, 0, 0, -2])
    image = np.dstack([np.tile(np.arange(9, dtype=np.uint8), (9, 1))] * 3)
    ((_, found),) = figures_of(image, [(2, 3)], Rule(crop_size=4))
    assert found == variance(np.tile(np.array([2, 0, 0, 0], np.uint8), (4, 1)))


def test_figures_are_those_of_numpy():
    image, corners = picture(1), [(0, 0), (13, 40), (50, 70)]
    for (std, var), (y, x) in zip(
        figures_of(image, corners, Rule(crop_size=40)), corners, strict=True
    ):
        grey = grey_levels(image)[y : y + 40, x : x + 40].astype(float)
        padded = np.pad(grey, 1, mode="reflect")
        sums = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        assert std == pytest.approx(grey.std())
        assert var == pytest.approx(np.clip(sums - 4 * grey, 0, 255).var())


def test_variance_is_exact_up_to_the_largest_patches():
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 60
    assert math.sqrt(variance(stripes)) == 30
    stripes[:, ::2] = 255
    assert variance(stripes) == 127.5**2
    assert variance(np.full((999, 1001), 255, np.uint8)) == 0


def test_a_patch_at_both_thresholds_is_kept_and_one_version_is_enough():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 60
    flat = np.full_like(stripes, 30)
    images = {"original": flat, "01": stripes}
    detail = figures_of(stripes, [(0, 0)], Rule(crop_size=8))[0][1]

    def is_kept(contrast: int, least_detail: int) -> bool:
        rule = Rule(8, 4, contrast, least_detail)
        figures = {name: figures_of(image, [(0, 0)], rule) for name, image in images.items()}
        return cells_of(images, figures, [(0, 0)], rule)[0].is_kept

    assert detail == 60**2  # 0 and 120 in turn
    assert is_kept(30, 3600)
    assert not is_kept(31, 3600)
    assert not is_kept(30, 3601)


@pytest.mark.parametrize("shift", [3, 40, 90])
def test_the_signed_distance_is_the_mean_of_float32_differences(shift):
    rng = np.random.default_rng(shift)
    first = rng.integers(0, 256, (128, 128, 3)).astype(np.uint8)
    second = np.clip(first + rng.integers(-20, 20 + shift, first.shape), 0, 255).astype(np.uint8)
    mean = np.mean(first.astype(np.float32) - second.astype(np.float32))
    assert distance(first, second, "signed") == float(abs(mean))


def test_only_the_absolute_distance_sees_differences_that_cancel():
    first = np.full((4, 4, 3), 100, np.uint8)
    second = first.copy()
    second[::2] += 6
    second[1::2] -= 6
    assert distance(first, second, "signed") == 0
    assert distance(first, second, "absolute") == 6


def cell(left: int, dist: float, is_kept: bool = True) -> Cell:
    return Cell(0, left, {"original": 40.0}, {"original": 99.0}, {"01": 0.1, "02": dist}, is_kept)


def test_patches_go_by_the_largest_distance_and_equal_ones_by_the_last():
    cells = [cell(0, 2), cell(1, 3), cell(2, 2), cell(3, 9, is_kept=False), cell(4, 1.5)]
    assert [found.left for found in in_order(cells, 0)] == [1, 2, 0, 4]
    assert [found.left for found in in_order(cells, 2)] == [1, 2, 0]
    assert from_records(as_records(cells)) == cells


def test_the_least_difference_is_a_number_or_a_quantile():
    distances = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert parse_min_dist("1.5") == MinDist(1.5)
    assert parse_min_dist("1.5").threshold(distances) == 1.5
    assert parse_min_dist("q0.25") == MinDist(0.25, True)
    assert parse_min_dist("q0.25").threshold(distances) == 2
    assert parse_min_dist("q0.25").threshold([]) == 0
    told = {choice: count for choice, _, count in counts(distances)}
    assert (told["1"], told["1.5"], told["3"], told["q0.5"]) == (0, 1, 2, 2)


@pytest.mark.parametrize("text", ["", "q", "q1", "q-0.1", "-1", "nan", "inf", "qq1", "much"])
def test_other_least_differences_are_refused(text):
    with pytest.raises(
        ValueError, match=rf"such as 1\.5, or a quantile such as q0\.2, got '{text}'"
    ):
        parse_min_dist(text)


@pytest.mark.parametrize("key", ["crop_size", "step_size"])
def test_sizes_without_pixels_are_refused(key):
    with pytest.raises(ValueError, match=f"{key}: must be . or more, got 0"):
        Rule(**{key: 0})
