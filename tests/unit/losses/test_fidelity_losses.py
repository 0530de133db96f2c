from __future__ import annotations

import pytest
import torch
from torch import Tensor

from smoothkit.core.errors import OptionError
from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.losses.multiscale import MultiScaleL1Loss, MultiScaleSSIMLoss
from smoothkit.losses.pixel import L1Loss
from smoothkit.losses.ssim import SSIMLoss


def pair(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    pred, gt = torch.rand((2, *shape), generator=generator, dtype=dtype)
    return pred, gt


def test_l1_averages_or_sums_over_all_elements() -> None:
    pred, gt = torch.tensor([0.5, 1.0]), torch.tensor([0.0, 2.0])
    assert L1Loss()(pred, gt).item() == 0.75
    assert L1Loss(2, reduction="sum")(pred, gt).item() == 3.0
    assert L1Loss(reduction="none")(pred, gt).tolist() == [0.5, 1.0]


def test_only_the_sum_is_additive() -> None:
    assert not L1Loss().additive
    assert L1Loss(reduction="sum").additive


def test_an_unknown_reduction_is_refused_by_name() -> None:
    spec = {"type": "L1Loss", "reduction": "average"}
    with pytest.raises(OptionError, match=r"train.pixel_opt.reduction: .*'mean'.* got 'average'"):
        LOSS_REGISTRY.build(spec, where="train.pixel_opt")


@pytest.mark.parametrize(
    "loss", [L1Loss(), SSIMLoss(), MultiScaleSSIMLoss(), MultiScaleL1Loss()], ids=repr
)
def test_equal_images_have_no_loss(loss: torch.nn.Module) -> None:
    image, _ = pair(2, 3, 17, 11)
    assert loss(image, image).item() == pytest.approx(0, abs=1e-6)


def test_levels_add_up() -> None:
    pred, gt = torch.full((1, 1, 8, 8), 0.75), torch.full((1, 1, 8, 8), 0.5)
    assert MultiScaleL1Loss()(pred, gt).item() == pytest.approx(4 * 0.25)
    assert MultiScaleL1Loss(0.5, levels=3)(pred, gt).item() == pytest.approx(0.5 * 3 * 0.25)


def test_each_level_halves_the_images_by_their_maxima_and_drops_an_odd_rest() -> None:
    pred = torch.tensor([[[[0.0, 0.4, 0.9], [0.2, 0.0, 0.9]]]])
    loss = MultiScaleL1Loss(levels=2)(pred, torch.zeros_like(pred))
    assert loss.item() == pytest.approx((0.4 + 0.9 + 0.2 + 0.9) / 6 + 0.4)


def test_one_level_is_the_plain_loss() -> None:
    pred, gt = pair(2, 3, 9, 7)
    weighted = MultiScaleSSIMLoss(0.1, levels=1)(pred, gt)
    torch.testing.assert_close(weighted, SSIMLoss(0.1)(pred, gt))


@pytest.mark.parametrize("loss", [MultiScaleSSIMLoss, MultiScaleL1Loss])
def test_images_too_small_for_the_levels_are_refused(loss: type[torch.nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"4 levels need .* at least 8 x 8 pixels, got 7 x 9"):
        loss()(*pair(1, 3, 7, 9))
    assert loss(levels=3)(*pair(1, 3, 7, 9)).isfinite()


def test_a_pyramid_needs_a_level() -> None:
    with pytest.raises(ValueError, match="levels: must be at least 1, got 0"):
        MultiScaleSSIMLoss(levels=0)


@pytest.mark.parametrize("loss", [SSIMLoss(), MultiScaleSSIMLoss(levels=2)], ids=repr)
def test_gradient_is_that_of_the_value(loss: torch.nn.Module) -> None:
    pred, gt = pair(1, 2, 5, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: loss(p, gt), pred.requires_grad_())
