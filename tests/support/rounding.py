"""Holding recordings made in float32 to float64, which every processor computes alike.

A recorded step differs from the exact one in three ways. Every value is off by rounding: where it
is a small difference of large sums, by more than a tolerance relative to the value allows. A ReLU
whose input is 0 but for rounding passes a gradient on one processor and none on another. And two
features that are equal but for rounding may be exactly equal, where |a - b| has no slope.
``float32_noise`` says how large the first is; the others are named, and put as they were recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

UNIT_ROUNDOFF = 2.0**-24
DRAWS = 16
# Among the thousands of values compared, none is farther off than this by chance.
SIGMAS = 6.0

# Recorded step -> its ReLUs that rounding turned: the layer before the ReLU, and the element.
TURNED: dict[str, dict[str, tuple[int, ...]]] = {
    "train_e2h_hdc_edge_refine": {"refine.6.bn_conv_3x3_2": (0, 3, 6, 7)},
    "train_cs_cons": {
        "interpreter2.1": (1, 7, 21, 20),
        "refine.8.bn_conv_3x3_2": (0, 5, 19, 20),
    },
    "train_cs_seg": {"interpreter2.5.bn_conv_3x3_3": (1, 0, 23, 3)},
}


def turn_relus(net: nn.Module, elements: Mapping[str, tuple[int, ...]]) -> None:
    """From now on ``net`` has these inputs of ReLUs on the other side of 0."""
    for layer, element in elements.items():
        put(net.get_submodule(layer), element, lambda value: -value)


def put(layer: nn.Module, element: tuple[int, ...], to: Callable[[Tensor], Tensor]) -> None:
    """From now on ``layer`` gives ``to(value)`` at this element; the slope there is unchanged."""

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        if not output.requires_grad:
            return output
        output = output.clone()
        value = output[element]
        output[element] = value - value.detach() + to(value.detach())
        return output

    layer.register_forward_hook(hook)


def to_float64(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn a model and its losses into float64; returns the batch so too."""
    for module in (model.net, *(term.loss for term in model.terms.values())):
        if isinstance(module, nn.Module):
            module.double()
    return {name: v.double() if v.is_floating_point() else v for name, v in batch.items()}


class _Summed(nn.Module):
    """Weights moved so that sums over them err as in float32.

    Of K products of either sign, partial sum k is some sqrt(k) times as large as one, and rounded;
    in all that is as if each product was off by sqrt(K / 2) roundings.
    """

    def forward(self, weight: Tensor) -> Tensor:
        return _rounded(weight, math.sqrt(weight[0].numel() / 2))


def float32_noise(
    net: nn.Module, run: Callable[[], Mapping[str, Tensor]]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The values of ``run``, and the standard deviation that float32 would give each.

    Monte Carlo arithmetic: each convolution of ``net``, which is in float64, gets its input and its
    weights moved at random, as far as float32 rounds them and the sums over them.

    Source: D. S. Parker, Monte Carlo arithmetic, UCLA CSD-970002, 1997.
    """
    exact = run()
    squares = {name: torch.zeros_like(value) for name, value in exact.items()}
    with ExitStack() as stack, torch.random.fork_rng():
        for conv in [module for module in net.modules() if isinstance(module, nn.Conv2d)]:
            hook = conv.register_forward_pre_hook(lambda _, inputs: (_rounded(inputs[0]),))
            stack.callback(hook.remove)
            register_parametrization(conv, "weight", _Summed(), unsafe=True)
            stack.callback(remove_parametrizations, conv, "weight", leave_parametrized=False)
        torch.manual_seed(0)
        for _ in range(DRAWS):
            for name, value in run().items():
                squares[name] += (value - exact[name]).square() / DRAWS
    return dict(exact), {name: value.sqrt() for name, value in squares.items()}


def _rounded(values: Tensor, times: float = 1.0) -> Tensor:
    return values * (1 + times * UNIT_ROUNDOFF * (2 * torch.rand_like(values) - 1))
