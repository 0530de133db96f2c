"""Fidelity of a smoothed image to its ground truth, as the smoothing papers measure it.

Both functions treat channels alike, so RGB and BGR give the same value. Nothing is clipped or
rounded; that is up to the caller.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.registry import METRIC_REGISTRY
from smoothkit.metrics.base import metric
from smoothkit.ops.precision import at_least_float32
from smoothkit.ops.ssim import ssim_map


@METRIC_REGISTRY.register
@metric(better="higher", limits=(-math.inf, math.inf))
@torch.no_grad()
def psnr(pred: Tensor, gt: Tensor, *, crop_border: int = 0) -> float:
    """Peak signal-to-noise ratio in dB, infinite for equal images.

    Args:
        pred, gt: (C, H, W) or (N, C, H, W), floating point, nominally in [0, 1]. A batch counts
            as one large image.
        crop_border: pixels left out on all four sides.

    Raises:
        ValueError: the images differ in shape, are not floating point, or are cropped away.
    """
    pred, gt = _comparable(pred, gt, crop_border)
    error = F.mse_loss(pred, gt).item()
    return -10 * math.log10(error) if error else math.inf


@METRIC_REGISTRY.register
@metric(better="higher", limits=(-1.0, 1.0))
@torch.no_grad()
def ssim(pred: Tensor, gt: Tensor, *, crop_border: int = 0) -> float:
    """Mean structural similarity over all channels and pixels, zero-padded borders included.

    Arguments and errors as for ``psnr``; the border is cropped before windows are formed.
    """
    pred, gt = _comparable(pred, gt, crop_border)
    return ssim_map(pred, gt).mean().item()


def _comparable(pred: Tensor, gt: Tensor, crop_border: int) -> tuple[Tensor, Tensor]:
    """Both images as (N, C, H, W) in at least float32, cropped."""
    if pred.shape != gt.shape:
        raise ValueError(f"images need one shape, got {tuple(pred.shape)} and {tuple(gt.shape)}.")
    return _cropped(pred, crop_border), _cropped(gt, crop_border)


def _cropped(image: Tensor, border: int) -> Tensor:
    if image.dim() not in (3, 4):
        raise ValueError(f"images must be (C, H, W) or (N, C, H, W), got {tuple(image.shape)}.")
    if not image.is_floating_point():
        raise ValueError(f"images must be floating point in [0, 1], got {image.dtype}.")
    channels, height, width = image.shape[-3:]
    if border < 0 or 2 * border >= min(height, width):
        raise ValueError(f"crop_border: does not fit into {height} x {width}, got {border}.")
    inside = image[..., border : height - border, border : width - border]
    return at_least_float32(inside).reshape(-1, channels, *inside.shape[-2:])
