from __future__ import annotations

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.systems.lsa.discs import near
from smoothkit.systems.lsa.trimap import (
    checked_trimap,
    has_unknown,
    is_all_unknown,
    looks_inverted,
    make_trimap,
    sample_radii,
    snapped_alpha,
    trimap_from_mask,
)


def row(*levels: int, dtype: type = np.uint8) -> np.ndarray:
    return np.array([levels], dtype)


@pytest.mark.parametrize("seed", range(12))
def test_discs_are_those_of_exact_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, radius = rng.integers(1, 40, 2), int(rng.integers(0, 30))
    mask = (rng.random(size) < rng.choice([0.003, 0.05, 0.3])).astype(np.uint8)
    down, right = np.mgrid[: size[0], : size[1]]
    squared = np.full(size, np.inf)
    for y, x in np.argwhere(mask):
        squared = np.minimum(squared, (down - y) ** 2 + (right - x) ** 2)
    np.testing.assert_array_equal(near(mask, radius), squared <= radius**2)


@pytest.mark.parametrize("size", [(200, 300), (1, 40), (40, 1), (3, 60), (60, 3)])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.97, 1.0, 1e5, float("inf")])
def test_a_radius_may_be_larger_than_the_image(size: tuple[int, int], share: float) -> None:
    mask, radius = np.zeros(size, np.uint8), share * np.hypot(*size)
    for y, x in ((0, 0), (size[0] // 2, size[1] - 1)):
        mask[y, x] = 1
    down, right = np.mgrid[: size[0], : size[1]]
    squared = np.min([(down - y) ** 2 + (right - x) ** 2 for y, x in np.argwhere(mask)], 0)
    np.testing.assert_array_equal(near(mask, radius), squared <= radius**2)
    assert not near(np.zeros(size, np.uint8), radius).any()


@pytest.mark.parametrize(("radius", "pixels"), [(1, 5), (5, 81), (7, 149), (24, 1793)])
def test_a_distance_equal_to_the_radius_is_inside(radius: int, pixels: int) -> None:
    alpha = np.zeros((61, 61), np.uint8)
    alpha[30, 30] = 100
    trimap = make_trimap(alpha, radius, 1)
    assert np.count_nonzero(trimap == 128) == pixels  # whole points of a disc
    assert trimap[30, 30 + radius] == 128


def test_background_and_foreground_have_radii_of_their_own() -> None:
    alpha = row(0, 0, 0, 0, 9, 255, 255, 255, 255)
    expected = row(0, 0, 128, 128, 128, 128, 255, 255, 255)
    np.testing.assert_array_equal(make_trimap(alpha, 2, 1), expected)
    expected = row(0, 0, 0, 128, 128, 128, 128, 128, 255)
    np.testing.assert_array_equal(make_trimap(alpha, 1, 3), expected)


def test_without_fractional_pixels_nothing_is_unknown() -> None:
    alpha = row(0, 0, 255, 255)
    np.testing.assert_array_equal(make_trimap(alpha, 24, 24), alpha)


def test_radii_are_drawn_from_1_to_24() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([sample_radii(rng) for _ in range(1500)])
    for column in drawn.T:
        assert set(column.tolist()) == set(range(1, 25))
    assert (drawn[:, 0] != drawn[:, 1]).any()


def test_a_trimap_is_made_of_bytes_only() -> None:
    with pytest.raises(ValueError, match=r"alpha: must be \(H, W\) uint8, got \(2, 2\) float64"):
        make_trimap(np.zeros((2, 2)), 1, 1)


def test_a_mask_is_unsure_along_its_outline() -> None:
    mask = row(0, 0, 0, 127, 128, 255, 255, 0, 0)
    expected = row(0, 0, 128, 128, 128, 255, 128, 128, 128)
    np.testing.assert_array_equal(trimap_from_mask(mask, 1, 2), expected)
    np.testing.assert_array_equal(
        trimap_from_mask(mask, 0, 0), row(0, 0, 0, 0, 255, 255, 255, 0, 0)
    )


def test_an_object_cut_off_by_the_border_stays_sure_there() -> None:
    mask = np.full((20, 9), 255, np.uint8)
    np.testing.assert_array_equal(trimap_from_mask(mask, 5, 5), mask)
    mask[:10] = 0
    assert (trimap_from_mask(mask, 3, 3)[13:] == 255).all()


def test_other_levels_are_refused_with_their_number() -> None:
    with pytest.raises(DataError, match=r"^t.png: must have no levels but 0, 128 and 255, got 127"
                       r", 200 in 3 pixels. Mend it, or have such levels snapped"):  # fmt: skip
        checked_trimap(row(0, 127, 127, 128, 200, 255), "t.png")


def test_other_levels_snap_as_the_reference_tests() -> None:
    trimap = checked_trimap(row(0, 49, 50, 127, 200, 201, 255), "t.png", levels="snap")
    np.testing.assert_array_equal(trimap, row(0, 0, 128, 128, 128, 255, 255))


def test_a_trimap_may_be_stored_in_colour_and_in_16_bits() -> None:
    grey = row(0, 128, 255)
    np.testing.assert_array_equal(checked_trimap(np.dstack([grey] * 3), "t.png"), grey)
    np.testing.assert_array_equal(checked_trimap(np.dstack([grey] * 3 + [row(255, 255, 255)]),
                                                 "t.png"), grey)  # fmt: skip
    deep = row(0, 32768, 65535, dtype=np.uint16)
    np.testing.assert_array_equal(checked_trimap(deep, "t.png"), grey)
    np.testing.assert_array_equal(checked_trimap(grey.astype(np.uint16) * 257, "t.png"), grey)


def test_a_coloured_or_transparent_trimap_is_refused() -> None:
    grey = row(0, 128, 255)
    with pytest.raises(DataError, match=r"^t.png: must be grey, got colours"):
        checked_trimap(np.dstack([grey, grey, row(0, 128, 254)]), "t.png")
    with pytest.raises(DataError, match=r"^t.png: is transparent in parts"):
        checked_trimap(np.dstack([grey] * 3 + [row(255, 0, 255)]), "t.png")


def test_useless_trimaps_are_told() -> None:
    assert not has_unknown(row(0, 255))
    assert is_all_unknown(row(128, 128))
    assert has_unknown(row(0, 128))
    assert not is_all_unknown(row(0, 128))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_trimap_the_wrong_way_round_is_told(dtype: type) -> None:
    top = np.iinfo(dtype).max
    alpha = row(0, 0, top // 2, top, top, top, dtype=dtype)
    trimap = row(0, 0, 128, 128, 255, 255)
    assert not looks_inverted(trimap, alpha)
    assert looks_inverted(255 - np.where(trimap == 128, 127, trimap), alpha)
    assert not looks_inverted(row(0, 0, 128, 128, 255, 0), alpha)  # one wrong pixel is a flaw
    assert not looks_inverted(np.full((1, 6), 128, np.uint8), alpha)


def test_alpha_near_its_ends_can_be_moved_there() -> None:
    alpha = row(0, 2, 3, 4, 251, 252, 255)
    np.testing.assert_array_equal(snapped_alpha(alpha, 3), row(0, 0, 0, 4, 251, 255, 255))
    np.testing.assert_array_equal(snapped_alpha(alpha, 0), alpha)


@pytest.mark.parametrize("levels", ["refuse", "snap"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_in_place_of_levels_are_refused(levels: str, dtype: type) -> None:
    with pytest.raises(DataError, match=r"^t\.png: has levels 0, 1 and 2 alone, as labels have"):
        checked_trimap(row(0, 1, 2, dtype=dtype), "t.png", levels=levels)
    assert checked_trimap(row(0, 0), "t.png", levels=levels).max() == 0
