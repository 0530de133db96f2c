"""Classical enhancement: what each does, and does not do, to an image."""

from __future__ import annotations

import numpy as np
import pytest

from smoothkit.core.errors import OptionError
from smoothkit.ops.filters import ENHANCERS, apply_filter, check_filter, detail_boost, unsharp


def photo(dtype: type = np.float64) -> np.ndarray:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.2, 0.8, 40)[None, :, None] * np.ones((32, 1, 3))
    return np.clip(ramp + rng.normal(0, 0.02, ramp.shape), 0, 1).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ENHANCERS)
def test_results_are_images_of_the_same_kind(name, dtype):
    for image in (photo(dtype), photo(dtype)[..., 0]):
        result = ENHANCERS[name](image)
        assert result.shape == image.shape
        assert result.dtype == dtype
        assert result.min() >= 0
        assert result.max() <= 1


@pytest.mark.parametrize("name", sorted(set(ENHANCERS) - {"clahe"}))
def test_a_constant_image_stays(name):
    image = np.full((20, 24, 3), 0.4, np.float32)
    np.testing.assert_allclose(ENHANCERS[name](image), image, atol=1e-6)


@pytest.mark.parametrize("name", ["unsharp", "detail_boost"])
def test_an_amount_of_zero_changes_nothing(name):
    np.testing.assert_allclose(ENHANCERS[name](photo(), amount=0), photo(), atol=1e-12)


def test_unsharp_adds_the_difference_from_the_blur():
    image = np.zeros((41, 41))
    image[20, 20] = 0.5
    centre = 1 / (2 * np.pi * 2.0**2)  # of a Gaussian of sigma 2, nearly
    assert unsharp(image, sigma=2.0, amount=1.0)[20, 20] == pytest.approx(
        0.5 + 0.5 * (1 - centre), rel=1e-3
    )


def test_detail_boost_makes_texture_stronger_and_leaves_a_large_edge_alone():
    rng = np.random.default_rng(1)
    step = np.where(np.arange(60) < 30, 0.2, 0.8) * np.ones((40, 1))
    textured = step + rng.uniform(-0.02, 0.02, step.shape)
    result = detail_boost(textured, amount=1.0)
    assert result[:, 5:20].std() > 1.3 * textured[:, 5:20].std()
    clean = detail_boost(step, amount=1.0)
    assert abs(clean - step).max() < 0.05  # unsharp masking leaves 0.2 there
    assert abs(unsharp(step, amount=1.0) - step).max() > 0.1


def test_clahe_widens_the_range_of_a_flat_image():
    flat = 0.45 + 0.1 * photo()
    assert np.ptp(ENHANCERS["clahe"](flat).mean(2)) > 1.2 * np.ptp(flat.mean(2))


def test_denoise_sharpen_removes_weak_noise():
    rng = np.random.default_rng(2)
    noisy = 0.5 + rng.normal(0, 0.01, (40, 40))
    assert ENHANCERS["denoise_sharpen"](noisy.astype(np.float32)).std() < 0.7 * noisy.std()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("unsharp", {"sigma": 0}, "unsharp.sigma: must be above 0, got 0"),
        ("unsharp", {"amount": -1}, "unsharp.amount: must be 0 or more, got -1"),
        ("clahe", {"tiles": 0}, "clahe.tiles: must be above 0, got 0"),
        ("detail_boost", {"size": 4}, "detail_boost.size: must be odd, got 4"),
        ("denoise_sharpen", {"sigmacolor": 1}, "Did you mean 'sigma_color'"),
    ],
)
def test_settings_out_of_range_are_refused(name, settings, message):
    with pytest.raises(OptionError, match=message):
        check_filter(name, settings)


def test_colours_of_files_come_in_the_order_that_the_filter_wants():
    image = (photo()[..., ::-1] * [255, 200, 100]).round().astype(np.uint8)
    turned = apply_filter("clahe", np.ascontiguousarray(image[..., ::-1]), {})[..., ::-1]
    assert (apply_filter("clahe", image, {}) != turned).any()  # lightness weighs the channels
