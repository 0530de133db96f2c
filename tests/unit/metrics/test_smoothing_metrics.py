from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from smoothkit.core.registry import METRIC_REGISTRY
from smoothkit.metrics.smoothing import psnr, ssim

Metric = Callable[..., float]


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(3, 14, 12, generator=torch.Generator().manual_seed(0))


def test_psnr_of_a_constant_error_of_a_tenth_is_20_db(image: torch.Tensor) -> None:
    assert psnr(image + 0.1, image) == pytest.approx(20, abs=1e-4)


def test_equal_images_have_infinite_psnr_and_full_similarity(image: torch.Tensor) -> None:
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_a_batch_counts_as_one_image(image: torch.Tensor) -> None:
    gt = torch.zeros(2, 1, 2, 2)
    pred = torch.stack([torch.full((1, 2, 2), 0.1), torch.full((1, 2, 2), 0.3)])
    assert psnr(pred, gt) == pytest.approx(-10 * math.log10((0.01 + 0.09) / 2), abs=1e-4)
    both = torch.stack([image, image])
    assert ssim(both * 0.9, both) == pytest.approx(ssim(image * 0.9, image))


def test_the_cropped_border_does_not_count(image: torch.Tensor) -> None:
    pred = image.clone()
    pred[:, 0] = pred[:, :, -1] = 0
    assert psnr(pred, image) < 40
    assert psnr(pred, image, crop_border=1) == math.inf
    assert ssim(pred, image, crop_border=1) == pytest.approx(1)


def test_values_outside_the_range_are_not_clipped() -> None:
    assert psnr(torch.full((1, 2, 2), 3.0), torch.ones(1, 2, 2)) == pytest.approx(-6.0206, abs=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_half_precision_is_measured_in_float32(metric: Metric, image: torch.Tensor) -> None:
    half = (image * 0.99).half()
    assert metric(half, image.half()) == metric(half.float(), image.half().float())


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_what_cannot_be_compared_is_refused(metric: Metric, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(3, 14, 12\) and \(3, 14, 11\)"):
        metric(image, image[..., 1:])
    with pytest.raises(ValueError, match="floating point"):
        metric(image.byte(), image.byte())
    with pytest.raises(ValueError, match=r"\(C, H, W\) or \(N, C, H, W\), got \(14, 12\)"):
        metric(image[0], image[0])
    with pytest.raises(ValueError, match="crop_border: does not fit into 14 x 12, got 6"):
        metric(image, image, crop_border=6)


@pytest.mark.parametrize(("name", "largest"), [("psnr", math.inf), ("ssim", 1.0)])
def test_facts_are_attributes_of_the_registered_function(name: str, largest: float) -> None:
    metric = METRIC_REGISTRY.get(name)
    assert metric.better == "higher"
    assert metric.limits[1] == largest
