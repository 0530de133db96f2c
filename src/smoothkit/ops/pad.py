"""Padding to the sizes that a network takes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_to(image: Tensor, *, multiple_of: int = 1, min_size: int = 1) -> Tensor:
    """``image`` padded at the bottom and right, mirrored where it is large enough for that.

    Args:
        image: (N, C, H, W).
        multiple_of: of which both sides become multiples.
        min_size: which both sides reach.

    Returns:
        (N, C, H', W'); ``image`` itself where nothing is missing.
    """
    bottom, right = (_missing(side, multiple_of, min_size) for side in image.shape[-2:])
    if not bottom and not right:
        return image
    is_large = bottom < image.shape[-2] and right < image.shape[-1]
    return F.pad(image, (0, right, 0, bottom), mode="reflect" if is_large else "replicate")


def _missing(side: int, multiple_of: int, min_size: int) -> int:
    wanted = max(side, min_size)
    return -(-wanted // multiple_of) * multiple_of - side
