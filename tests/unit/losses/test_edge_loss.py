from __future__ import annotations

import math

import pytest
import torch

from smoothkit.losses.edge import BalancedEdgeLoss

LN2 = math.log(2)  # cross entropy of logit 0


def labels(*values: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype).view(1, 1, 1, -1)


def batch(size: int = 4, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, 1, 5, 6, generator=generator, dtype=dtype)
    return logits, (torch.rand(logits.shape, generator=generator) < 0.2).to(torch.uint8)


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ((1, 0, 0, 0), (3 / 4 + 3 * 1 / 4) * LN2),
        ((1, 1, 1, 0), (3 * 1 / 4 + 3 / 4) * LN2),
        ((0, 0, 0, 0), 0.0),
        ((1, 1, 1, 1), 4 * LN2),
    ],
    ids=["one edge pixel", "one other pixel", "no edge", "nothing but edge"],
)
def test_each_class_weighs_as_much_as_the_other_is_frequent(
    edge: tuple[int, ...], expected: float
) -> None:
    logits = torch.zeros(1, 1, 1, 4)
    assert BalancedEdgeLoss()(logits, labels(*edge)).item() == pytest.approx(expected)
    assert BalancedEdgeLoss(0.5)(logits, labels(*edge)).item() == pytest.approx(expected / 2)
    normalized = BalancedEdgeLoss(normalize=True)(logits, labels(*edge))
    assert normalized.item() == pytest.approx(expected / 4)


def test_the_sum_is_additive_and_the_mean_is_not() -> None:
    assert BalancedEdgeLoss().additive
    assert not BalancedEdgeLoss(normalize=True).additive


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float32, torch.float64])
def test_labels_may_have_any_type(dtype: torch.dtype) -> None:
    logits, edge = batch()
    loss = BalancedEdgeLoss()
    torch.testing.assert_close(loss(logits, edge.to(dtype)), loss(logits, edge))


def test_counts_are_edge_pixels_and_pixels() -> None:
    counts = BalancedEdgeLoss().counts(labels(1, 0, 0, 1))
    assert counts.tolist() == [2, 4]
    assert counts.dtype == torch.int64


def test_halves_of_a_batch_with_common_counts_add_up_to_the_whole() -> None:
    logits, edge = batch()
    loss = BalancedEdgeLoss()
    halves = list(zip(logits.split(2), edge.split(2), strict=True))
    counts = torch.stack([loss.counts(labels) for _, labels in halves]).sum(0)
    assert torch.equal(counts, loss.counts(edge))
    together = sum(loss(*half, counts=counts) for half in halves)
    torch.testing.assert_close(together, loss(logits, edge))


def test_equal_halves_of_a_batch_with_common_counts_average_to_the_normalized_whole() -> None:
    logits, edge = batch()
    loss = BalancedEdgeLoss(normalize=True)
    counts = loss.counts(edge)
    halves = zip(logits.split(2), edge.split(2), strict=True)
    values = torch.stack([loss(*half, counts=counts) for half in halves])
    torch.testing.assert_close(values.mean(), loss(logits, edge))


def test_bfloat16_logits_are_summed_in_float32() -> None:
    logits, edge = batch(64)
    value = BalancedEdgeLoss()(logits.bfloat16(), edge)
    torch.testing.assert_close(value, BalancedEdgeLoss()(logits.bfloat16().float(), edge))


def test_gradient_is_that_of_the_value() -> None:
    logits, edge = batch(1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: BalancedEdgeLoss()(x, edge), logits.requires_grad_())
