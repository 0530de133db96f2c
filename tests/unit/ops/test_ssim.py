from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.ops.ssim import ssim_map


def pair(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    gt = torch.rand(shape, generator=generator, dtype=dtype)
    return gt + 0.1 * torch.randn(shape, generator=generator, dtype=dtype), gt


def five_convolutions(pred: Tensor, gt: Tensor) -> Tensor:
    """The textbook form: every moment by itself, under the square window."""
    line = torch.exp(-torch.arange(-5.0, 6.0).square() / 4.5)
    window = (torch.outer(line, line) / line.sum() ** 2).expand(pred.shape[1], 1, 11, 11)

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(x, window, padding=5, groups=x.shape[1])

    mu_p, mu_g = mean(pred), mean(gt)
    var_p, var_g = mean(pred * pred) - mu_p**2, mean(gt * gt) - mu_g**2
    covariance = mean(pred * gt) - mu_p * mu_g
    return (
        (2 * mu_p * mu_g + 1e-4)
        * (2 * covariance + 9e-4)
        / ((mu_p**2 + mu_g**2 + 1e-4) * (var_p + var_g + 9e-4))
    )


@pytest.mark.parametrize("shape", [(2, 3, 24, 32), (1, 1, 1, 1), (1, 4, 7, 3)])
def test_one_pass_over_stacked_moments_equals_five_convolutions(shape: tuple[int, ...]) -> None:
    pred, gt = pair(*shape)
    torch.testing.assert_close(ssim_map(pred, gt), five_convolutions(pred, gt), rtol=0, atol=1e-5)


def test_equal_images_are_similar_everywhere() -> None:
    _, gt = pair(1, 3, 16, 12)
    torch.testing.assert_close(ssim_map(gt, gt), torch.ones_like(gt))


def test_flat_images_compare_by_luminance_alone_away_from_the_border() -> None:
    pred, gt = torch.full((1, 1, 13, 13), 0.25), torch.full((1, 1, 13, 13), 0.5)
    centre = ssim_map(pred, gt)[0, 0, 6, 6].item()
    assert centre == pytest.approx((2 * 0.125 + 1e-4) / (0.0625 + 0.25 + 1e-4), rel=1e-4)


def test_autocast_does_not_lower_the_precision() -> None:
    pred, gt = pair(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = ssim_map(pred, gt)
    torch.testing.assert_close(mixed, ssim_map(pred, gt), rtol=0, atol=0)


def test_half_precision_images_are_widened() -> None:
    pred, gt = (image.bfloat16() for image in pair(1, 3, 16, 16))
    torch.testing.assert_close(ssim_map(pred, gt), ssim_map(pred.float(), gt.float()))


def test_use_in_inference_mode_leaves_training_possible() -> None:
    pred, gt = pair(1, 3, 8, 8)
    with torch.inference_mode():
        ssim_map(pred, gt)
    pred.requires_grad_()
    ssim_map(pred, gt).mean().backward()
    assert pred.grad is not None
    assert pred.grad.isfinite().all()


def test_gradient_is_that_of_the_value() -> None:
    pred, gt = pair(1, 2, 5, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: ssim_map(p, gt), pred.requires_grad_())


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 8, 8\) and \(1, 1, 8, 8\)"):
        ssim_map(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
