"""Enlarging a map of values along the edges of an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def guided_upsample(
    values: Tensor, small: Tensor, guide: Tensor, *, radius: int = 2, eps: float = 1e-4
) -> Tensor:
    """``values`` at the size of ``guide``, as a local linear function of its colours.

    Args:
        values: (N, 1, h, w), any floats.
        small: (N, C, h, w), the guide at the size of the values, in [0, 1].
        guide: (N, C, H, W) in [0, 1].
        radius: of the windows in which the function is fitted, in pixels of ``small``.
        eps: variance of the guide that counts as an edge.

    Returns:
        (N, 1, H, W), not clipped.

    Source: He and Sun, "Fast Guided Filter", arXiv 1505.00996.
    """
    mean, value = _box(small, radius), _box(values, radius)
    products = small[:, :, None] * small[:, None]
    variance = _box(products.flatten(1, 2), radius).unflatten(1, products.shape[1:3])
    variance = variance - mean[:, :, None] * mean[:, None]
    covariance = _box(small * values, radius) - mean * value
    ridge = eps * torch.eye(small.shape[1], device=small.device, dtype=small.dtype)
    matrix = variance.permute(0, 3, 4, 1, 2) + ridge
    slope = torch.linalg.solve(matrix, covariance.permute(0, 2, 3, 1)[..., None])[..., 0]
    slope = slope.permute(0, 3, 1, 2)
    offset = value - (slope * mean).sum(1, keepdim=True)
    size = guide.shape[-2:]
    slope, offset = (_enlarged(_box(m, radius), size) for m in (slope, offset))
    return (slope * guide).sum(1, keepdim=True) + offset


def _box(image: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    return F.avg_pool2d(image, side, stride=1, padding=radius, count_include_pad=False)


def _enlarged(image: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
