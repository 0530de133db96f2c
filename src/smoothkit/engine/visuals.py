"""Pictures that show what a network does: input, output, ground truth, error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothkit.core.html import figure
from smoothkit.ops.io import encode_image

# An error of a quarter of the range already shows as white.
ERROR_GAIN = 4.0
_GAP = 4


def comparison_row(visuals: Mapping[str, Tensor]) -> Tensor:
    """Input, output, ground truth and amplified error side by side.

    Args:
        visuals: ``result`` and, where there are, ``lq`` and ``gt``: (1, C, H, W) in [0, 1], RGB; a
            smaller input is enlarged without smoothing.

    Returns:
        (3, H, W') in [0, 1].
    """
    result = _rgb(visuals["result"])
    size = result.shape[-2:]
    panels = [result]
    if "lq" in visuals:
        panels.insert(0, F.interpolate(_rgb(visuals["lq"])[None], size=size, mode="nearest")[0])
    if "gt" in visuals:
        target = _rgb(visuals["gt"])
        panels += [target, ((result - target).abs() * ERROR_GAIN).clamp(0, 1)]
    gap = torch.ones(3, size[0], _GAP)
    spaced = [part for panel in panels for part in (panel, gap)]
    return torch.cat(spaced[:-1], dim=2)


def stack_rows(rows: Sequence[Tensor]) -> Tensor:
    """Rows of different sizes below each other, on white: (3, H, W)."""
    width = max(row.shape[2] for row in rows)
    padded = [F.pad(row, (0, width - row.shape[2], 0, _GAP), value=1.0) for row in rows]
    return torch.cat(padded, dim=1)[:, :-_GAP]


def to_bgr_bytes(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1], RGB, as (H, W, 3) uint8, BGR."""
    pixels = image.clamp(0, 1).mul(255).round().byte().flip(0).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())


def embedded(image: np.ndarray, caption: str, limits: tuple[int, int]) -> str:
    """An HTML figure of a picture, made smaller where it is wider or higher than ``limits``.

    Args:
        image: (H, W, 3) uint8, BGR.
        caption: stands below it.
        limits: width and height in pixels.
    """
    height, width = image.shape[:2]
    scale = min(1.0, limits[0] / width, limits[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    content = encode_image(small, ".webp", params=(cv2.IMWRITE_WEBP_QUALITY, 80))
    return figure(content, caption, kind="webp")


def _rgb(image: Tensor) -> Tensor:
    single = image[0].float().clamp(0, 1)
    return single.expand(3, -1, -1) if single.shape[0] == 1 else single[:3]
