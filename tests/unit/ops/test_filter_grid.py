"""Filters by name: those of bytes too, and several at once."""

from __future__ import annotations

import numpy as np
import pytest

from smoothkit.core.errors import OptionError
from smoothkit.ops.filters import (
    BYTE_FILTERS,
    Candidate,
    apply_filter,
    parse_candidate,
    parse_grid,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", BYTE_FILTERS)
def test_a_filter_of_bytes_runs_by_name(name: str) -> None:
    expected = BYTE_FILTERS[name](IMAGE, d=5, sigma_color=60.0)
    settings = {"d": 5, "sigma_color": 60}
    np.testing.assert_array_equal(apply_filter(name, IMAGE, settings), expected)
    deep = apply_filter(name, IMAGE.astype(np.uint16) * 257, settings)
    np.testing.assert_array_equal(deep, expected.astype(np.uint16) * 257)
    with_alpha = apply_filter(name, np.dstack([IMAGE, IMAGE[..., 0]]), settings)
    np.testing.assert_array_equal(with_alpha, np.dstack([expected, IMAGE[..., 0]]))


def test_settings_of_a_filter_of_bytes_are_checked() -> None:
    with pytest.raises(OptionError, match=r"^bilateral_opencv\.sigma_color: must be above 0"):
        parse_grid(["bilateral_opencv:sigma_color=0"])


def test_messages_name_the_option_that_was_used() -> None:
    with pytest.raises(OptionError, match=r"^--strong: names a filter with the same settings"):
        parse_grid(["l0", "l0"], "--strong")
    with pytest.raises(OptionError, match=r"^--also l0:lam=0\.1,0\.2: must give one number"):
        parse_candidate("l0:lam=0.1,0.2", "--also")
    assert parse_candidate("l0:lam=0.1", "--also") == Candidate("l0", {"lam": 0.1})
