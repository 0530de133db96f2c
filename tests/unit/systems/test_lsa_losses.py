"""Losses of alpha mattes, beside those that are recorded."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core.errors import OptionError
from smoothkit.losses import build_loss
from smoothkit.systems.lsa.loss import unknown

COUNTED = [
    {"type": "MattingMultiscaleLoss"},
    {"type": "MattingClampedLoss"},
    {"type": "MattingL1Loss"},
    {"type": "MattingWeightedLoss", "power": 2.0},
    {"type": "MattingWeightedLoss", "inverse": True},
]


def batch(count: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    pred = torch.randn(count, 1, 32, 32, dtype=torch.float64) * 0.4 + 0.5
    levels = torch.tensor([0, 128, 255], dtype=torch.float64) / 255
    trimap = levels[torch.randint(3, (count, 1, 32, 32))]
    return pred, torch.rand(count, 1, 32, 32, dtype=torch.float64).round(decimals=1), trimap


def test_only_the_level_128_is_unknown():
    trimap = torch.tensor([0, 127, 128, 129, 255]) / 255
    assert unknown(trimap).tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("options", COUNTED, ids=str)
def test_parts_with_the_counts_of_the_whole_add_up_to_it(options):
    loss = build_loss(options)
    pred, gt, trimap = batch()
    data = (gt, trimap) if "Weighted" in options["type"] else (trimap,)
    counts = loss.counts(*data)
    parts = [
        loss(pred[rows], gt[rows], trimap[rows], counts=counts)
        for rows in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(sum(parts), loss(pred, gt, trimap), rtol=1e-10, atol=0)


def test_a_term_that_cannot_be_added_up_is_refused():
    loss = build_loss({"type": "MattingClampedLoss", "squares": 0.25})
    with pytest.raises(OptionError, match="'squares' divides by errors"):
        loss(*batch(), counts=torch.tensor(9.0))


def test_overshooting_a_saturated_alpha_costs_nothing():
    trimap = torch.full((1, 1, 2, 2), 128 / 255)
    gt = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    free = torch.tensor([[[[-0.3, 1.4], [0.0, 1.0]]]], requires_grad=True)
    loss = build_loss({"type": "MattingMultiscaleLoss", "num_scales": 1})
    loss(free, gt, trimap).backward()
    assert free.grad.abs().max() == 0
    costly = torch.tensor([[[[0.3, 1.4], [0.0, 1.0]]]])
    assert loss(costly, gt, trimap) > loss(free, gt, trimap)


def test_patches_too_small_for_all_scales_use_those_that_fit():
    trimap = torch.full((1, 1, 3, 5), 128 / 255)
    value = build_loss({"type": "MattingMultiscaleLoss"})(
        torch.zeros(1, 1, 3, 5), torch.ones(1, 1, 3, 5), trimap
    )
    # Sums of roots over counts + 1: 15 / 16, and on the next scale (1 x 2) 2 / 3, halved.
    assert value.item() == pytest.approx(15 / 16 + 2 / 3 / 2, rel=1e-5)


def test_the_class_loss_is_zero_where_nothing_is_unknown():
    loss = build_loss({"type": "MattingClassLoss"})
    value = loss(torch.randn(1, 3, 4, 4), torch.rand(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    assert value == 0
