"""A filter by name, on images as files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from smoothkit.core.errors import OptionError
from smoothkit.core.signature import nearest, parameters, signature_faults
from smoothkit.ops.filters.table import BYTE_FILTERS, ENHANCERS, FILTERS
from smoothkit.ops.io import to_float, to_uint8, to_uint16

_BY_NAME = {**FILTERS, **BYTE_FILTERS, **ENHANCERS}


def apply_filter(name: str, image: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """The filtered image, in the shape and type of ``image``.

    Args:
        name: one of ``FILTERS``, ``BYTE_FILTERS`` or ``ENHANCERS``.
        image: (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16; alpha is kept. For a
            filter of bytes the upper 8 bits of 16 are taken.
        settings: keyword arguments of the filter, checked by ``check_filter``.
    """
    colors = image[..., :3] if image.ndim == 3 else image
    smooth = _smooth_bytes if name in BYTE_FILTERS else _smooth_floats
    levels = smooth(_BY_NAME[name], colors, settings)
    if image.ndim == 3 and image.shape[2] == 4:
        levels = np.concatenate([levels, image[..., 3:]], axis=2)
    return np.ascontiguousarray(levels)


def _smooth_floats(
    function: Callable[..., np.ndarray], image: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    turn = (..., slice(None, None, -1)) if image.ndim == 3 else ...
    smooth = function(to_float(image[turn]), **settings)[turn]
    return to_uint16(smooth) if image.dtype == np.uint16 else to_uint8(smooth)


def _smooth_bytes(
    function: Callable[..., np.ndarray], image: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    if image.dtype == np.uint8:
        return function(image, **settings)
    return to_uint16(to_float(function(to_uint8(to_float(image)), **settings)))


def check_filter(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse a filter or settings that do not exist or are out of range.

    Raises:
        OptionError: in the form ``<filter>.<setting>: ...``.
    """
    if name not in _BY_NAME:
        raise OptionError(
            f"{name}: no such filter. {nearest(name, _BY_NAME)}Known: {', '.join(_BY_NAME)}."
        )
    faults = signature_faults(_BY_NAME[name], settings, name, given=["image"])
    if faults:
        raise OptionError(faults)
    try:
        apply_filter(name, np.zeros((2, 2), np.uint8), settings)
    except ValueError as error:
        raise OptionError(f"{name}.{error}") from error


def noted_filter(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A filter as notes have it: with its defaults, which another version may have changed."""
    return {"filter": name, **settings_of(name), **settings}


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


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a filter with their defaults."""
    return {p.name: p.default for p in parameters(_BY_NAME[name]).values() if p.name != "image"}


def describe_filters() -> str:
    """One line per filter: its settings with their defaults."""
    return "\n".join(
        f"  {name}: " + " ".join(f"{key}={value}" for key, value in settings_of(name).items())
        for name in _BY_NAME
    )
