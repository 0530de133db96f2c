from __future__ import annotations

import numpy as np
import pytest

from smoothkit.ops.blend import blend, edge_map, training_pair


def flat(height: int, width: int, *bgr: int) -> np.ndarray:
    return np.full((height, width, 3), bgr, np.uint8)


def test_texture_repeats_from_the_top_left_without_its_mean() -> None:
    texture = flat(1, 2, 0, 0, 0)
    texture[0, 1] = 60
    observation = blend(texture, flat(2, 4, 10, 100, 200))
    np.testing.assert_allclose(observation[..., 0], [[-20, 40, -20, 40]] * 2, atol=1e-4)
    np.testing.assert_allclose(np.ptp(observation - [10, 100, 200], axis=2), 0)


def test_mean_is_that_of_the_part_in_use() -> None:
    texture = flat(1, 9, 255, 255, 255)
    texture[0, :2] = 50
    np.testing.assert_allclose(blend(texture, flat(1, 2, 7, 7, 7)), 7, atol=1e-4)


def test_grey_weighs_blue_as_if_it_were_red() -> None:
    texture = flat(1, 2, 0, 0, 0)
    texture[0, 1] = [100, 0, 0]
    observation = blend(texture, flat(1, 2, 0, 0, 0))
    assert observation[0, 1, 0] - observation[0, 0, 0] == pytest.approx(29.9, abs=1e-4)


def test_pair_is_rounded_to_even_and_clipped() -> None:
    gt = flat(1, 4, 1, 2, 3)
    observation = np.array([-3.0, 0.5, 1.5, 300.0])[None, :, None].repeat(3, axis=2)
    pair = training_pair(gt, observation)
    np.testing.assert_array_equal(pair[:, :4], gt)
    assert pair[0, 4:, 0].tolist() == [0, 0, 2, 255]


@pytest.mark.parametrize(("step", "edge"), [(24, 0), (25, 255)])
def test_edge_is_where_half_the_response_reaches_50(step: int, edge: int) -> None:
    gt = flat(5, 6, 0, 0, 0)
    gt[:, 3:] = step  # the Sobel response is 4 * step, half of it 2 * step
    assert edge_map(gt)[2].tolist() == [0, 0, edge, edge, 0, 0]


def test_only_the_grey_channel_sees_edges_between_equal_blues() -> None:
    gt = flat(5, 6, 90, 0, 0)
    gt[:, 3:] = [90, 255, 255]
    assert not edge_map(gt).any()
    assert edge_map(gt, "gray")[2].tolist() == [0, 0, 255, 255, 0, 0]
