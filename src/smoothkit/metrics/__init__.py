"""Metrics that two or more systems share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smoothkit.core.signature import parameters, type_hints

_PAIR = ("img", "img2", "pred", "gt")


def image_parameters(metric: Callable[..., Any]) -> list[str]:
    """Names of the parameters that take images.

    The result comes first, then the ground truth where the metric compares with one, then
    ``further_images``.
    """
    pair = [name for name in list(parameters(metric))[:2] if name in _PAIR]
    return pair + further_images(metric)


def further_images(metric: Callable[..., Any]) -> list[str]:
    """Names of the images, such as ``trimap``, that a metric reads besides result and ground truth.

    They are its other positional parameters that are tensors and have no default.
    """
    hints = type_hints(metric)
    return [
        name
        for name, param in parameters(metric).items()
        if name not in _PAIR
        and param.default is param.empty
        and param.kind is not param.KEYWORD_ONLY
        and getattr(hints.get(name), "__name__", "") == "Tensor"
    ]


def calculate_metric(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """A metric of the registry on one pair of images.

    Args:
        data: ``img`` (result) and ``img2`` (ground truth), both either tensors (C, H, W) in [0, 1],
            RGB, or arrays (H, W, C) uint8, BGR, as BasicSR has them; and under their own names the
            further images that the metric reads, such as ``trimap``.
        opt: ``{'type': NAME, **options}``.

    Raises:
        OptionError: unknown metric or option.
        ValueError: an image is missing that the metric reads besides.
    """
    from smoothkit.core.registry import METRIC_REGISTRY
    from smoothkit.metrics.convert import images_for

    metric = METRIC_REGISTRY.get(opt["type"])
    options = {k: v for k, v in opt.items() if k not in {"type", "better"}}
    further = further_images(metric)
    if missing := [name for name in further if name not in data]:
        raise ValueError(f"{opt['type']}: needs the image '{missing[0]}', which is not given.")
    pair = ("img", "img2")[: len(image_parameters(metric)) - len(further)]
    images = [data[name] for name in (*pair, *further)]
    return float(metric(*images_for(metric, *images), **options))


def needed_images(opt: Mapping[str, Any]) -> list[str]:
    """What a metric reads besides the result: ``gt`` unless it judges an image alone, and more."""
    from smoothkit.core.registry import METRIC_REGISTRY

    metric = METRIC_REGISTRY.get(opt["type"])
    further = further_images(metric)
    return ["gt"] * (len(image_parameters(metric)) - len(further) - 1) + further


def runs_network(opt: Mapping[str, Any]) -> bool:
    """Whether a metric judges by a network of its own, on the device of its images."""
    from smoothkit.core.registry import METRIC_REGISTRY

    return bool(getattr(METRIC_REGISTRY.get(opt["type"]), "runs_network", False))


def is_higher_better(opt: Mapping[str, Any]) -> bool:
    """Whether a greater value is better: as the section's ``better`` says, else the metric."""
    from smoothkit.core.registry import METRIC_REGISTRY

    metric = METRIC_REGISTRY.get(opt["type"])
    return str(opt.get("better", getattr(metric, "better", "higher"))) == "higher"
