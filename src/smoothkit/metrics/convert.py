"""Images in the form that a metric wants: tensors for ours, uint8 arrays for BasicSR's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothkit.metrics import image_parameters


def wants_arrays(metric: Callable[..., Any]) -> bool:
    """True for metrics in BasicSR's manner: they take uint8 BGR arrays called img and img2."""
    return image_parameters(metric)[:1] == ["img"]


def images_for(metric: Callable[..., Any], *images: Any) -> tuple[Any, ...]:
    """``images`` (tensors or arrays) as ``metric`` takes them."""
    convert = as_array if wants_arrays(metric) else as_tensor
    return tuple(convert(image) for image in images)


def as_tensor(image: Any) -> Tensor:
    """(C, H, W) float32 in [0, 1], RGB, from a tensor or from a BGR array of bytes."""
    if isinstance(image, Tensor):
        return image.float()
    planes = image[..., None] if image.ndim == 2 else image[..., ::-1]
    scale = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1.0
    planes = np.ascontiguousarray(planes.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(planes) / scale


def as_array(image: Any) -> np.ndarray:
    """(H, W, C) uint8, BGR, from an array or from an RGB tensor in [0, 1]."""
    if not isinstance(image, Tensor):
        return np.asarray(image)
    planes = image.detach().float().clamp(0, 1).mul(255).round().byte().cpu().numpy()
    return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0))
