"""Metrics of alpha mattes, as the widely used scripts and as LSA's published code define them.

Errors count in the unknown region of the trimap: where its byte, rounded, is 128. ``definition``
says how they are measured there:

==========  =====================================  =============================================
metric      ``common`` (Adobe's and their ports)   ``lsa`` (the published code)
==========  =====================================  =============================================
SAD         unknown region                         whole image
MSE         unknown region                         whole image, divided by the unknown pixels
Grad        kernel of 9 x 9                        kernel of 7 x 7
Conn        a threshold that no pixel reaches      a threshold that no pixel reaches is passed
            detaches all pixels                    over
==========  =====================================  =============================================

SAD, Grad and Conn are in thousands, as in the papers' tables; MSE is plain, where tables have it
times 1000. ``region`` overrides where errors are summed up; MSE divides by the unknown pixels
either way. All are computed in float64.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
from torch import Tensor

from smoothkit.core.registry import METRIC_REGISTRY
from smoothkit.metrics.base import metric
from smoothkit.ops.precision import at_least_float32
from smoothkit.systems.lsa.measures import (
    connectivity_error,
    gradient_error,
    squared_error,
    sum_of_differences,
)

Definition = Literal["common", "lsa"]
Region = Literal["unknown", "whole"]

_UNKNOWN = 128


@METRIC_REGISTRY.register
@metric(better="lower", limits=(0.0, math.inf))
def matting_sad(
    pred: Tensor,
    gt: Tensor,
    trimap: Tensor,
    *,
    definition: Definition = "common",
    region: Region | None = None,
) -> float:
    """Sum of absolute differences of two alpha mattes, in thousands.

    Args:
        pred, gt: (1, H, W) floating point, nominally in [0, 1].
        trimap: (1, H, W) floating point; the unknown is 128/255.
        definition: ``common`` as the widely used scripts, ``lsa`` as LSA's published code.
        region: sum up the ``unknown`` or the ``whole``; ~ for what the definition says.

    Raises:
        ValueError: shapes other than these, integers, or values that are not finite.
    """
    pair = _pair(pred, gt, trimap, definition, region)
    return sum_of_differences(pair.pred, pair.gt, _where(pair, region or _overall(definition)))


@METRIC_REGISTRY.register
@metric(better="lower", limits=(0.0, math.inf))
def matting_mse(
    pred: Tensor,
    gt: Tensor,
    trimap: Tensor,
    *,
    definition: Definition = "common",
    region: Region | None = None,
) -> float:
    """Squared differences of two alpha mattes for each unknown pixel; tables have it times 1000.

    Args:
        pred, gt, trimap, definition, region: as in ``matting_sad``.

    Raises:
        ValueError: as ``matting_sad``, or the trimap has no unknown pixel.
    """
    pair = _pair(pred, gt, trimap, definition, region)
    count = int(np.count_nonzero(_where(pair, "unknown")))
    where = _where(pair, region or _overall(definition))
    return squared_error(pair.pred, pair.gt, where, count)


@METRIC_REGISTRY.register
@metric(better="lower", limits=(0.0, math.inf))
def matting_grad(
    pred: Tensor,
    gt: Tensor,
    trimap: Tensor,
    *,
    definition: Definition = "common",
    region: Region | None = None,
) -> float:
    """Squared differences of the gradients' magnitudes of two alpha mattes, in thousands.

    Args:
        pred, gt, trimap, definition: as in ``matting_sad``.
        region: as in ``matting_sad``; ~ is the unknown region.

    Raises:
        ValueError: as ``matting_sad``.
    """
    pair = _pair(pred, gt, trimap, definition, region)
    half_size = 4 if definition == "common" else 3
    where = _where(pair, region or "unknown")
    return gradient_error(pair.pred, pair.gt, where, half_size=half_size)


@METRIC_REGISTRY.register
@metric(better="lower", limits=(0.0, math.inf))
def matting_conn(
    pred: Tensor,
    gt: Tensor,
    trimap: Tensor,
    *,
    definition: Definition = "common",
    region: Region | None = None,
) -> float:
    """Differences in how well the pixels of two alpha mattes hang together, in thousands.

    Args:
        pred, gt, trimap, definition: as in ``matting_sad``.
        region: as in ``matting_sad``; ~ is the unknown region.

    Raises:
        ValueError: as ``matting_sad``.
    """
    pair = _pair(pred, gt, trimap, definition, region)
    where = _where(pair, region or "unknown")
    return connectivity_error(pair.pred, pair.gt, where, is_empty_joined=definition == "lsa")


class _Pair(NamedTuple):
    """Two mattes (H, W), of one floating type, and where the trimap says nothing."""

    pred: np.ndarray
    gt: np.ndarray
    unknown: np.ndarray


def _pair(
    pred: Tensor, gt: Tensor, trimap: Tensor, definition: Definition, region: Region | None
) -> _Pair:
    if definition not in get_args(Definition):
        raise ValueError(f"definition: must be 'common' or 'lsa', got {definition!r}.")
    if region not in (None, *get_args(Region)):
        raise ValueError(f"region: must be 'unknown' or 'whole', got {region!r}.")
    for name, image in {"pred": pred, "gt": gt, "trimap": trimap}.items():
        if image.dim() != 3 or image.shape[0] != 1 or image.shape != gt.shape:
            raise ValueError(
                f"{name}: must be (1, H, W) of the size of gt, got {tuple(image.shape)} "
                f"beside {tuple(gt.shape)}."
            )
        if not image.is_floating_point():
            raise ValueError(f"{name}: must be floating point in [0, 1], got {image.dtype}.")
    # From here on numpy: torch's threads cost more than they gain on so little work.
    mattes = {"pred": _plane(pred), "gt": _plane(gt)}
    for name, matte in mattes.items():
        if not np.isfinite(matte).all():
            raise ValueError(f"{name}: has values that are not finite.")
    dtype = np.result_type(*mattes.values())
    mattes = {name: matte.astype(dtype, copy=False) for name, matte in mattes.items()}
    levels = _plane(trimap)
    low, high = (_UNKNOWN - 0.5) / 255, (_UNKNOWN + 0.5) / 255
    return _Pair(**mattes, unknown=(levels > low) & (levels < high))


def _plane(image: Tensor) -> np.ndarray:
    """(H, W) float32 or float64."""
    plane: np.ndarray = at_least_float32(image.detach()[0]).cpu().numpy()
    return plane


def _overall(definition: Definition) -> Region:
    """Where differences count."""
    return "unknown" if definition == "common" else "whole"


def _where(pair: _Pair, region: Region) -> np.ndarray:
    if region == "whole":
        return np.ones_like(pair.unknown)
    if not pair.unknown.any():
        # An error of 0 over no pixel would make the mean over a test set look better.
        raise ValueError("trimap: has no unknown pixel (level 128), so there is nothing to measure")
    return pair.unknown
