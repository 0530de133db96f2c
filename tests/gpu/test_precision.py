"""What has to be exact stays so where CUDA is allowed to round products to TF32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.losses import build_loss
from smoothkit.models.degrade import Degradation
from support.gpu import need_basicsr

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _with_tf32(_in_whole_float32: None) -> None:
    """The switches as a training has them by default."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


@pytest.fixture
def images() -> Tensor:
    """(2, 3, 64, 64) smooth images with some noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 8, 8, generator=generator)
    smooth = F.interpolate(coarse, size=(64, 64), mode="bicubic")
    return (smooth + 0.02 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_structural_similarity_has_the_gradient_of_the_cpu(
    layout: torch.memory_format, images: Tensor, device: torch.device
) -> None:
    loss = build_loss({"type": "MultiScaleSSIMLoss"})
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    gradients = []
    for where, dtype in ((device, torch.float32), (torch.device("cpu"), torch.float64)):
        pred = (images + 0.02 * noise).to(where, dtype, memory_format=layout).requires_grad_()
        loss(pred, images.to(where, dtype, memory_format=layout)).backward()
        gradients.append(pred.grad.cpu().double())
    # In TF32 the gradients are as long as their difference.
    assert (gradients[0] - gradients[1]).norm() < 0.001 * gradients[1].norm()


def test_low_quality_images_are_those_of_the_cpu(images: Tensor, device: torch.device) -> None:
    need_basicsr("degradation")
    stage = {"gaussian_noise_prob": 1.0, "noise_range": [0, 0]}  # which no generator draws alike
    degradation = Degradation(4, 64, [stage], sharpen=True)
    drawn = degradation.draw(len(images), np.random.default_rng(0))
    found, expected = (
        degradation.low_quality(images.to(where), drawn).cpu().int() for where in (device, "cpu")
    )
    # What lies between two levels goes up here and down there; in TF32 far more does.
    assert (found != expected).float().mean() < 0.01
