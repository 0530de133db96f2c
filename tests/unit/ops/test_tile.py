"""Tiles cover an image once, and their windows reach as far as they should."""

from __future__ import annotations

import numpy as np
import pytest

from smoothkit.ops.tile import tiles


@pytest.mark.parametrize("multiple_of", [1, 8])
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (65, 130), (7, 300)])
def test_parts_cover_the_image_once(size: tuple[int, int], multiple_of: int) -> None:
    count = np.zeros(size, int)
    for tile in tiles(*size, 32, 5, multiple_of):
        count[tile.outside()] += 1
        assert max(tile.bottom - tile.top, tile.right - tile.left) <= 32
    assert (count == 1).all()


def test_windows_reach_the_overlap_inside_the_image() -> None:
    image = np.arange(50 * 70).reshape(50, 70)
    for tile in tiles(50, 70, 20, 6, 4):
        top, left, bottom, right = tile.window
        assert top % 4 == left % 4 == 0
        assert top == 0 or top <= tile.top - 6
        assert bottom == min(tile.bottom + 6, 50)
        assert right == min(tile.right + 6, 70)
        window = image[top:bottom, left:right]
        np.testing.assert_array_equal(window[tile.inside()], image[tile.outside()])
        assert tile.area == window.size


def test_a_scaled_result_is_cut_and_put_at_scaled_places() -> None:
    small = np.arange(30 * 40).reshape(30, 40)
    large = small.repeat(2, 0).repeat(2, 1)
    out = np.zeros_like(large)
    for tile in tiles(30, 40, 16, 3):
        top, left, bottom, right = tile.window
        window = small[top:bottom, left:right].repeat(2, 0).repeat(2, 1)
        out[tile.outside(2)] = window[tile.inside(2)]
    np.testing.assert_array_equal(out, large)


def test_sides_are_nearly_equal() -> None:
    heights = {tile.bottom - tile.top for tile in tiles(101, 10, 50, 0)}
    assert heights == {34, 33}
