"""Structural similarity as the smoothing papers train with it and measure it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.ops.precision import at_least_float32

_RADIUS = 5
_SIGMA = 1.5
_C1 = 0.01**2
_C2 = 0.03**2


def ssim_map(pred: Tensor, gt: Tensor) -> Tensor:
    """Structural similarity at every pixel and channel, borders included.

    Local moments are taken under an 11 x 11 Gaussian window (sigma 1.5) with zero padding, so the
    images darken towards the border. Nothing is clipped.

    Args:
        pred, gt: (N, C, H, W), nominally in [0, 1]. Half precision is widened, also under
            autocast: a variance is a small difference of large moments.

    Returns:
        (N, C, H, W) float32 (float64 for such input), at most 1, which means equal surroundings.

    Raises:
        ValueError: the shapes differ.

    Source: Wang et al., IEEE TIP 2004, with the border treatment of Easy2Hard.
    """
    if pred.shape != gt.shape:
        raise ValueError(
            f"ssim: both images need one shape, got {tuple(pred.shape)} and {tuple(gt.shape)}."
        )
    pred, gt = at_least_float32(pred), at_least_float32(gt)
    # The two variances enter as their sum, so four moments do, blurred in one pass.
    moments = torch.cat([pred, gt, pred.square() + gt.square(), pred * gt], dim=1)
    with torch.autocast(pred.device.type, enabled=False):
        mean_pred, mean_gt, mean_squares, mean_product = _blur(moments).chunk(4, dim=1)
    product_of_means = mean_pred * mean_gt
    squares_of_means = mean_pred.square() + mean_gt.square()
    covariance = mean_product - product_of_means
    variances = mean_squares - squares_of_means
    luminance = (2 * product_of_means + _C1) / (squares_of_means + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return luminance * structure


def _blur(x: Tensor) -> Tensor:
    """Each channel of (N, C, H, W) under the Gaussian window, same size."""
    channels = x.shape[1]
    if x.device.type == "cuda":
        # Of channels-last images cuDNN may round to TF32, in which variances drown; torch's own
        # kernels for one channel each, which take the other layout, do not.
        x = x.contiguous()
    # Computed where it is used: a cached tensor could have been made in inference mode, which
    # autograd refuses, and a copy from the host would wait for the device.
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=x.dtype, device=x.device)
    weights = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    window = (weights / weights.sum()).expand(channels, 1, 1, -1)
    rows = F.conv2d(x, window, padding=(0, _RADIUS), groups=channels)
    return F.conv2d(rows, window.mT, padding=(_RADIUS, 0), groups=channels)
