"""The losses and metrics of the smoothing systems against recorded values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from smoothkit.losses.edge import BalancedEdgeLoss
from smoothkit.losses.multiscale import MultiScaleL1Loss, MultiScaleSSIMLoss
from smoothkit.losses.pixel import L1Loss
from smoothkit.losses.ssim import SSIMLoss
from smoothkit.losses.variation import DistinctiveTVLoss, SquaredTVLoss
from smoothkit.metrics.smoothing import psnr, ssim
from support.oracle import Case

# Recorded value -> what it is a function of, and the function.
LOSSES: dict[str, tuple[list[str], Callable[..., Tensor]]] = {
    "l1": (["pred", "gt"], L1Loss()),
    "ssim": (["pred", "gt"], lambda pred, gt: 1 - SSIMLoss()(pred, gt)),
    "mssim": (["pred", "gt"], lambda pred, gt: 4 - MultiScaleSSIMLoss()(pred, gt)),
    "ml1": (["pred", "gt"], MultiScaleL1Loss()),
    "edge_bce": (["edge_logit", "edge"], BalancedEdgeLoss()),
    "tv": (["pred"], SquaredTVLoss()),
    "dtv": (["pred", "edge"], DistinctiveTVLoss()),
}


@pytest.fixture(scope="module")
def pixel() -> Case:
    return Case("smoothing", "loss_pixel")


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_match_the_reference(pixel: Case, name: str) -> None:
    inputs, loss = LOSSES[name]
    first, *others = map(pixel.tensor, inputs)
    first.requires_grad_()
    value = loss(first, *others)
    pixel.close(value, name)
    if f"grad_{name}" in pixel.arrays:
        value.backward()
        pixel.close(first.grad, f"grad_{name}")


@pytest.mark.parametrize(("name", "label"), [("no_positive", 0), ("all_positive", 1)])
def test_edge_loss_matches_the_reference_where_one_class_is_missing(
    pixel: Case, name: str, label: int
) -> None:
    edge = torch.full_like(pixel.tensor("edge"), label)
    pixel.close(BalancedEdgeLoss()(pixel.tensor("edge_logit"), edge), f"edge_bce_{name}")


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_metric_of_unclipped_images_matches_the_reference(
    pixel: Case, metric: Callable[..., float]
) -> None:
    pixel.close(metric(pixel.tensor("pred"), pixel.tensor("gt")), metric.__name__)
