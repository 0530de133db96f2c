"""A filter by name, on images as files hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smoothkit.core.errors import OptionError
from smoothkit.core.signature import nearest, parameters, signature_faults
from smoothkit.ops.filters.table import FILTERS
from smoothkit.ops.io import to_float, to_uint8, to_uint16


def apply_filter(name: str, image: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """The filtered image, in the shape and type of ``image``.

    Args:
        name: one of ``FILTERS``.
        image: (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16; alpha is kept.
        settings: keyword arguments of the filter, checked by ``check_filter``.
    """
    colors = image[..., :3] if image.ndim == 3 else image
    turn = (..., slice(None, None, -1)) if image.ndim == 3 else ...
    smooth = FILTERS[name](to_float(colors[turn]), **settings)[turn]
    levels = to_uint16(smooth) if image.dtype == np.uint16 else to_uint8(smooth)
    if image.ndim == 3 and image.shape[2] == 4:
        levels = np.concatenate([levels, image[..., 3:]], axis=2)
    return np.ascontiguousarray(levels)


def check_filter(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse a filter or settings that do not exist or are out of range.

    Raises:
        OptionError: in the form ``<filter>.<setting>: ...``.
    """
    if name not in FILTERS:
        raise OptionError(
            f"{name}: no such filter. {nearest(name, FILTERS)}Known: {', '.join(FILTERS)}."
        )
    faults = signature_faults(FILTERS[name], settings, name, given=["image"])
    if faults:
        raise OptionError(faults)
    try:
        FILTERS[name](np.zeros((2, 2), np.float32), **settings)
    except ValueError as error:
        raise OptionError(f"{name}.{error}") from error


def parse_setting(text: str) -> tuple[str, float]:
    """Name and number of ``NAME=NUMBER``; whole numbers stay whole.

    Raises:
        OptionError: another form.
    """
    name, equals, value = text.partition("=")
    try:
        return name.strip(), int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError as error:
        told = f"{text}: a setting has the form NAME=NUMBER."
        raise OptionError(told if equals else f"{told} Folders go behind --input.") from error


def describe_filters() -> str:
    """One line per filter: its settings with their defaults."""
    return "\n".join(
        f"  {name}: "
        + " ".join(f"{p.name}={p.default}" for p in parameters(f).values() if p.name != "image")
        for name, f in FILTERS.items()
    )
