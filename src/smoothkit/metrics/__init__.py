"""Metrics that two or more systems share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smoothkit.core.signature import parameters


def image_parameters(metric: Callable[..., Any]) -> list[str]:
    """Names of the parameters that take images: two, or one for a metric without a reference."""
    names = ("img", "img2", "pred", "gt")
    return [name for name in list(parameters(metric))[:2] if name in names]


def calculate_metric(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """A metric of the registry on one pair of images.

    Args:
        data: ``img`` (result) and ``img2`` (ground truth), both either tensors (C, H, W) in [0, 1],
            RGB, or arrays (H, W, C) uint8, BGR, as BasicSR has them.
        opt: ``{'type': NAME, **options}``.

    Raises:
        OptionError: unknown metric or option.
    """
    from smoothkit.core.registry import METRIC_REGISTRY
    from smoothkit.metrics.convert import images_for

    metric = METRIC_REGISTRY.get(opt["type"])
    options = {k: v for k, v in opt.items() if k not in {"type", "better"}}
    images = [data[key] for key in ("img", "img2")[: len(image_parameters(metric))]]
    return float(metric(*images_for(metric, *images), **options))


def needs_ground_truth(opt: Mapping[str, Any]) -> bool:
    """False for a metric that judges an image alone."""
    from smoothkit.core.registry import METRIC_REGISTRY

    return len(image_parameters(METRIC_REGISTRY.get(opt["type"]))) > 1


def is_higher_better(opt: Mapping[str, Any]) -> bool:
    """Whether a greater value is better: as the section's ``better`` says, else the metric."""
    from smoothkit.core.registry import METRIC_REGISTRY

    metric = METRIC_REGISTRY.get(opt["type"])
    return str(opt.get("better", getattr(metric, "better", "higher"))) == "higher"
