"""Results that hold NaN or infinity: neither a picture nor a figure is made of them."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothkit.core.errors import DataError


class NotFiniteError(DataError):
    """A network's result that is not finite everywhere."""


def finite(result: Tensor, maker: object) -> Tensor:
    """``result`` itself; to be asked before anything clips or rounds it.

    Args:
        maker: the network or model that gave it, for the message.

    Raises:
        NotFiniteError: it holds NaN or infinity.
    """
    is_finite = torch.isfinite(result)
    if not bool(is_finite.all()):
        count = int((~is_finite).sum())
        raise NotFiniteError(
            f"{type(maker).__name__}: its result must be finite, got NaN or infinity in {count} of "
            f"{result.numel()} values. Use '--amp off' if it ran in half precision, else other "
            "weights."
        )
    return result
