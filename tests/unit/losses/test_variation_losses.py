from __future__ import annotations

import pytest
import torch

from smoothkit.losses.variation import DistinctiveTVLoss, SquaredTVLoss

IMAGE = torch.tensor([[[[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]]])
NO_EDGE = torch.zeros(1, 1, 2, 3, dtype=torch.uint8)

# Squared differences within the image: down 0 + 1 + 9 of 3, right 1 + 4 of 4.
WITHIN = (0 + 1 + 9) / 3 + (1 + 4) / 4
# From the last row to the first 0 + 1 + 9 more, from the last column 9; the divisors stay.
WRAPPED = (0 + 1 + 9) * 2 / 3 + (1 + 4 + 9) / 4


def test_squared_variation_is_twice_the_mean_squared_difference() -> None:
    assert SquaredTVLoss(0.5)(IMAGE).item() == pytest.approx(0.5 * 2 * WITHIN)


@pytest.mark.parametrize(("wrap", "expected"), [(True, WRAPPED), (False, WITHIN)])
def test_distinctive_variation_compares_across_the_border_only_when_asked(
    wrap: bool, expected: float
) -> None:
    assert DistinctiveTVLoss(wrap=wrap)(IMAGE, NO_EDGE).item() == pytest.approx(expected)
    assert DistinctiveTVLoss(10, wrap=wrap)(IMAGE, NO_EDGE).item() == pytest.approx(10 * expected)


@pytest.mark.parametrize(("wrap", "expected"), [(True, WRAPPED), (False, WITHIN)])
def test_differences_that_start_on_an_edge_do_not_count(wrap: bool, expected: float) -> None:
    edge = NO_EDGE.clone()
    edge[0, 0, 0, 1] = 1  # down -1, right +2
    value = DistinctiveTVLoss(wrap=wrap)(IMAGE, edge).item()
    assert value == pytest.approx(expected - 1 / 3 - 4 / 4)


@pytest.mark.parametrize("wrap", [True, False])
def test_repeating_a_sample_or_a_channel_keeps_the_value(wrap: bool) -> None:
    loss = DistinctiveTVLoss(wrap=wrap)
    repeated = loss(IMAGE.expand(4, 3, 2, 3), NO_EDGE.expand(4, 1, 2, 3))
    torch.testing.assert_close(repeated, loss(IMAGE, NO_EDGE))


def test_a_flat_image_has_no_variation() -> None:
    flat = torch.full((2, 3, 4, 5), 0.7)
    assert SquaredTVLoss()(flat).item() == 0
    assert DistinctiveTVLoss()(flat, torch.zeros(2, 1, 4, 5)).item() == 0


@pytest.mark.parametrize("wrap", [True, False])
def test_gradient_is_that_of_the_value(wrap: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    edge = (torch.rand(2, 1, 4, 5, generator=generator) < 0.3).to(torch.uint8)
    loss = DistinctiveTVLoss(wrap=wrap)
    assert torch.autograd.gradcheck(lambda x: loss(x, edge), image)
    assert torch.autograd.gradcheck(SquaredTVLoss(), image)
