"""Between image arrays as OpenCV has them and tensors as networks take them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from smoothkit.ops.io import Rounding, to_uint8, to_uint16

Color = Literal["rgb", "bgr"]


def to_tensor(image: np.ndarray, color: Color = "rgb") -> Tensor:
    """(C, H, W) tensor of an image, with storage of its own.

    Args:
        image: (H, W) or (H, W, 3) BGR; its dtype is kept.
        color: channel order of the tensor.
    """
    if image.ndim == 2:
        image = image[..., None]
    elif color == "rgb":
        image = image[..., ::-1]
    return torch.from_numpy(image.transpose(2, 0, 1).copy(order="C"))


def to_image(
    tensor: Tensor,
    color: Color = "rgb",
    *,
    rounding: Rounding = "round",
    depth: Literal[8, 16] = 8,
) -> np.ndarray:
    """Image array of a tensor: (H, W, 3) BGR, or (H, W) for one channel; uint8 or uint16.

    Args:
        tensor: (C, H, W) or (1, C, H, W) in [0, 1], C 1 or 3; clipped.
        color: channel order of the tensor.
        rounding: to 8 bits; 16 bits are always rounded.
        depth: bits per channel.

    Raises:
        ValueError: another shape.
    """
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3):
        raise ValueError(f"tensor: must be (1 or 3, H, W), got {tuple(tensor.shape)}.")
    image = tensor.detach().cpu().double().numpy()
    levels = to_uint16(image) if depth == 16 else to_uint8(image, rounding)
    if len(levels) == 1:
        return levels.squeeze(0)
    if color == "rgb":
        levels = levels[::-1]
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def fast_layout(images: Tensor) -> Tensor:
    """(N, C, H, W) images in the layout in which convolutions run fastest on their device."""
    if images.device.type != "cpu":
        return images
    return images.contiguous(memory_format=torch.channels_last)
