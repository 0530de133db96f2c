"""The non-local block of the edge-guided network.

Every pixel P of a map of a quarter of the size gathers from every pixel M of a map of an eighth. A
matrix of all pairs has HW/16 times HW/64 entries, so it is worked off in blocks of rows.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from smoothkit.ops.precision import at_least_float32

SMALLEST_SIDE = 8
# Pairs that are worked off at once: a few hundred MB of them, but on the CPU what fits its cache,
# unless blocks are to be computed twice, as in training where there is more than one.
_PAIRS = 2**24
_PAIRS_IN_CACHE = 2**19
# Added to a logit before division by it.
_EPS = 1e-6


class EdgeGuidedNonLocal(nn.Module):
    """Features plus what pixels gather from others that are alike in features and in edges.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 1)
        self.theta = nn.Conv2d(channels, hidden, 1)
        self.phi = nn.Conv2d(channels, hidden, 1)
        self.g = nn.Conv2d(channels, hidden, 1)
        self.down = nn.Conv2d(channels, channels, 4, stride=4, groups=channels, bias=False)
        nn.init.constant_(self.down.weight, 1 / 16)  # the mean of 4 x 4 pixels
        self.z = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor, edge_logits: Tensor) -> Tensor:
        """Features like ``x``.

        Args:
            x: (N, channels, H, W); both sides 8 and more.
            edge_logits: (N, 1, H, W).

        Raises:
            ValueError: a side is smaller.
        """
        check_size(x)
        small = self.down(x)
        gathered = gather(self.theta(small), self.phi(small), self.g(small), edge_logits)
        added = self.z(gathered)
        return x + F.interpolate(added, size=x.shape[-2:], mode="bilinear", align_corners=True)


# Loops and comparisons of sizes cannot be traced; wrapped, they let the rest of a network be.
@fx.wrap
def check_size(x: Tensor) -> None:
    """Refuse maps that have no pixel at an eighth of the size.

    Raises:
        ValueError: a side is below 8.
    """
    height, width = x.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(
            f"image: must have sides of {SMALLEST_SIDE} and more for a network with an "
            f"edge-guided block, got {height} x {width}. Pad it, or use larger patches."
        )


@fx.wrap
def gather(query: Tensor, key: Tensor, value: Tensor, edge_logits: Tensor) -> Tensor:
    """For each pixel the mean of all values, weighed by likeness of features and of edges.

    Args:
        query: (N, C, h, w), of the pixels that gather.
        key, value: (N, C, h, w); the maximum of each 2 x 2 pixels is gathered from.
        edge_logits: (N, 1, H, W), sampled at both sizes.

    Returns:
        (N, C, h, w), in the type of ``query``; computed in float32 or wider.
    """
    with torch.autocast(query.device.type, enabled=False):
        edges = at_least_float32(edge_logits)
        keys, values = (F.max_pool2d(at_least_float32(x), 2) for x in (key, value))
        rows = at_least_float32(query).flatten(2).mT
        at_rows, at_columns = (_resized(edges, x).flatten(1) for x in (query, keys))
        out = gather_rows(rows, keys.flatten(2), values.flatten(2), at_rows, at_columns)
        return out.mT.reshape(query.shape).to(query.dtype)


def gather_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    row_edges: Tensor,
    column_edges: Tensor,
    *,
    pairs: int | None = None,
) -> Tensor:
    """``gather`` for pixels in rows P and columns M, (N, P, C).

    Args:
        query: (N, P, C).
        key, value: (N, C, M).
        row_edges, column_edges: (N, P) and (N, M), edge logits.
        pairs: entries of the matrices that exist at once; by default what suits. Rows are
            independent of each other, so this changes memory and speed alone.
    """
    is_training = torch.is_grad_enabled()
    is_for_cache = query.device.type == "cpu" and not is_training
    pairs = pairs or (_PAIRS_IN_CACHE if is_for_cache else _PAIRS)
    count = max(pairs // (key.shape[0] * key.shape[2]), 1)
    blocks = zip(query.split(count, 1), row_edges.split(count, 1), strict=True)
    if count >= query.shape[1]:
        return _block(query, key, value, row_edges, column_edges)
    if is_training:  # blocks save memory only where none of them is kept for the way back
        again = partial(checkpoint, _block, use_reentrant=False, preserve_rng_state=False)
        parts = [again(rows, key, value, edges, column_edges) for rows, edges in blocks]
        return torch.cat(parts, 1)
    # Small results kept from block to block would lie in the holes that large matrices left, and
    # the heap would grow with every block.
    out = torch.empty_like(query)
    for part, (rows, edges) in zip(out.split(count, 1), blocks, strict=True):
        part.copy_(_block(rows, key, value, edges, column_edges))
    return out


def _block(
    query: Tensor, key: Tensor, value: Tensor, row_edges: Tensor, column_edges: Tensor
) -> Tensor:
    weights = edge_likeness(row_edges, column_edges).softmax(-1)
    weights = (weights * (query @ key).softmax(-1)).softmax(-1)
    return weights @ value.mT


def edge_likeness(rows: Tensor, columns: Tensor) -> Tensor:
    """The smaller of the two ratios of edge logits, for each pair.

    It is 1 for equal logits, and negative, of any size, for logits of different signs.

    Args:
        rows, columns: (N, P) and (N, M), float32 or wider.

    Returns:
        (N, P, M), finite.
    """
    # Products with reciprocals: the way back squares these for each pixel, after the sum over
    # pairs, and not for each pair, where a ratio that was not taken can overflow and spoil the sum.
    ratios = torch.minimum(
        rows[:, :, None] * _reciprocal(columns)[:, None],
        _reciprocal(rows)[:, :, None] * columns[:, None],
    )
    # A softmax over nothing but infinities would not be a number.
    return ratios.clamp(min=torch.finfo(ratios.dtype).min)


def _reciprocal(logits: Tensor) -> Tensor:
    shifted = logits + _EPS
    # Zero for one single logit, -1e-6 itself; its neighbours in float32 are about this far away.
    return torch.where(shifted == 0, torch.finfo(shifted.dtype).eps * _EPS, shifted).reciprocal()


def _resized(edges: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(edges, size=like.shape[-2:], mode="bilinear", align_corners=True)
