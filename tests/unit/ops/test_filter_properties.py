from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.fft import irfft2, rfft2

from smoothkit.ops.filters import (
    FILTERS,
    bilateral,
    bilateral_opencv,
    guided,
    ils,
    ils_welsch,
    l0,
    rolling_guidance,
    rolling_guidance_opencv,
    rtv,
    sd,
    wls,
)
from smoothkit.ops.filters._cyclic import diff_x, diff_y, divergence, laplacian_symbol
from smoothkit.ops.filters._joint import gaussian_kernel, joint_average
from smoothkit.ops.filters._lattice import (
    EIGHT,
    FOUR,
    edge_ends,
    elimination_order,
    solve_lattice,
)
from smoothkit.ops.filters.rolling_guidance import _without_empty_margin
from smoothkit.ops.filters.sd import Steps

SHAPES = [(17, 23), (16, 21, 3), (1, 7), (5, 1, 3), (1, 1)]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def noisy_step() -> np.ndarray:
    """Grey 24 x 32: 0.2 left, 0.8 right, uniform noise of +-0.02 on both."""
    step = np.repeat([[0.2, 0.8]], 16, axis=1).repeat(24, axis=0)
    return step + 0.04 * (noise(24, 32) - 0.5)


@pytest.mark.parametrize("name", FILTERS)
def test_every_setting_of_a_filter_has_a_name_and_a_default(name: str) -> None:
    image, *settings = inspect.signature(FILTERS[name]).parameters.values()
    assert image.name == "image"
    assert all(s.kind is s.KEYWORD_ONLY and s.default is not s.empty for s in settings)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FILTERS)
def test_constant_image_is_unchanged(name: str, dtype: type, shape: tuple[int, ...]) -> None:
    image = np.full(shape, 0.3, dtype)
    result = FILTERS[name](image)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, image, atol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_input_is_left_alone_and_may_be_a_view(name: str) -> None:
    original = noise(20, 30, 3)[:, ::2, ::-1]
    image = original.copy(order="K")
    result = FILTERS[name](original)
    np.testing.assert_array_equal(original, image)
    np.testing.assert_array_equal(result, FILTERS[name](np.ascontiguousarray(image)))
    assert not np.shares_memory(result, original)


@pytest.mark.parametrize("name", FILTERS)
def test_noise_goes_and_the_step_stays(name: str) -> None:
    image = noisy_step()
    result = FILTERS[name](image)
    left, right = result[4:20, 4:12], result[4:20, 20:28]
    assert left.std() < 0.3 * image[4:20, 4:12].std()
    assert right.mean() - left.mean() == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("name", ["rtv", "rolling_guidance", "ils", "ils_welsch"])
def test_grey_gives_the_same_as_three_equal_channels(name: str) -> None:
    grey = noise(19, 14)
    color = FILTERS[name](np.repeat(grey[..., None], 3, axis=2))
    for channel in range(3):
        np.testing.assert_allclose(color[..., channel], FILTERS[name](grey), atol=1e-7)


@pytest.mark.parametrize("name", FILTERS)
def test_single_precision_is_near_double(name: str) -> None:
    image = noisy_step()
    single = FILTERS[name](image.astype(np.float32))
    np.testing.assert_allclose(single, FILTERS[name](image), atol=2e-5)


@pytest.mark.parametrize("name", ["l0", "rtv", "ils", "ils_welsch", "sd", "wls"])
def test_mean_of_each_channel_is_kept(name: str) -> None:
    image = noise(18, 25, 3)
    np.testing.assert_allclose(FILTERS[name](image).mean((0, 1)), image.mean((0, 1)), atol=1e-9)


@pytest.mark.parametrize("name", ["rtv", "rolling_guidance", "sd", "wls"])
def test_result_stays_within_the_range_of_the_image(name: str) -> None:
    image = noise(18, 25, 3)
    result = FILTERS[name](image)
    assert image.min() - 1e-7 <= result.min() <= result.max() <= image.max() + 1e-7


def test_l0_channels_decide_together() -> None:
    """A change too small to survive alone survives beside a large one in another channel."""
    faint = np.full((16, 16), 0.5)
    faint[:, 8:] = 0.51
    strong = np.where(faint > 0.5, 0.9, 0.1)
    image = np.stack([faint, strong, strong], axis=2)
    assert np.ptp(l0(faint)) < 0.005
    np.testing.assert_allclose(l0(image), image, atol=0.002)


def test_rolling_guidance_starts_with_a_gaussian_blur() -> None:
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    blurred = rolling_guidance(impulse, sigma_s=4, precision=0.05, iterations=1)
    rows = np.flatnonzero(blurred[20] > 1e-9)
    assert (rows[0], rows[-1]) == (11, 29)  # 19 pixels: exp(-9^2 / 32) > 0.05 >= exp(-10^2 / 32)
    assert blurred[20, 21] / blurred[20, 20] == pytest.approx(np.exp(-1 / 32))
    assert blurred.sum() == pytest.approx(1)


def test_welsch_leaves_large_gradients_alone_and_charbonnier_shrinks_them() -> None:
    step = np.repeat([[0.2, 0.8]], 16, axis=1).repeat(8, axis=0)
    np.testing.assert_allclose(ils_welsch(step), step, atol=1e-6)
    assert np.ptp(ils(step, lam=5)) < 0.59


def test_guided_filter_keeps_what_varies_more_than_its_threshold() -> None:
    faint = 0.5 + 0.01 * (noise(30, 30, 3) - 0.5)
    assert guided(faint).std() < 0.3 * faint.std()
    strong = np.repeat([[0.1, 0.9]], 15, axis=1).repeat(30, axis=0)
    np.testing.assert_allclose(guided(strong, eps=1e-6), strong, atol=1e-4)


def test_bilateral_averages_within_its_diameter_only() -> None:
    ramp = np.tile(np.arange(9) / 100, (9, 1))
    smooth = bilateral(ramp, sigma_color=100, sigma_space=1000, d=3)
    np.testing.assert_allclose(smooth[4, 1:-1], ramp[4, 1:-1], atol=1e-6)
    assert smooth[4, 0] == pytest.approx(0.01 * 2 / 5, abs=1e-6)  # the border mirrors column 1


def test_rolling_guidance_opencv_keeps_two_tone_images_and_returns_bytes() -> None:
    image = np.where(np.arange(30) < 15, 10, 240).astype(np.uint8)[None].repeat(20, axis=0)
    result = rolling_guidance_opencv(image, d=9, sigma_color=20, sigma_space=3, iterations=2)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, image)


def test_divergence_is_the_adjoint_of_the_differences() -> None:
    u, h, v = noise(3, 2, 5, 6)
    forward = (diff_x(u) * h + diff_y(u) * v).sum()
    assert forward == pytest.approx((u * divergence(h, v)).sum())


@pytest.mark.parametrize("size", [(6, 7), (5, 8), (1, 3)])
def test_symbol_is_the_laplacian_in_the_frequency_domain(size: tuple[int, int]) -> None:
    u = noise(*size)
    expected = divergence(diff_x(u), diff_y(u))
    result = irfft2(laplacian_symbol(*size) * rfft2(u), s=size)
    np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize("steps", [FOUR, EIGHT], ids=["4", "8"])
@pytest.mark.parametrize("size", [(5, 4), (1, 9), (7, 1), (12, 17)])
def test_lattice_solution_satisfies_the_equations(size: tuple[int, int], steps: Steps) -> None:
    planes = 1000 * noise(3, *size)
    edges = {step: 1000 * noise(*edge_ends(planes[0], step)[0].shape) for step in steps}
    solved = solve_lattice(edges, planes)
    residual = solved - planes
    for step, weights in edges.items():
        (first, second), ends = edge_ends(solved, step), edge_ends(residual, step)
        flow = weights * (second - first)
        np.subtract(ends[0], flow, out=ends[0])
        np.add(ends[1], flow, out=ends[1])
    np.testing.assert_allclose(residual, 0, atol=1e-4)  # of values up to 1000


def test_edges_join_each_pixel_with_its_neighbours_once() -> None:
    numbers = np.arange(6).reshape(2, 3)
    ends = {step: [end.ravel().tolist() for end in edge_ends(numbers, step)] for step in EIGHT}
    assert ends[0, 1] == [[0, 1, 3, 4], [1, 2, 4, 5]]
    assert ends[1, 0] == [[0, 1, 2], [3, 4, 5]]
    assert ends[1, 1] == [[0, 1], [4, 5]]
    assert ends[1, -1] == [[1, 2], [3, 4]]


def test_elimination_order_names_every_pixel_once() -> None:
    assert sorted(elimination_order(13, 21)) == list(range(13 * 21))


def test_joint_average_is_the_weighted_mean_of_its_definition() -> None:
    image, guide = noise(2, 1, 6, 5)
    kernel = gaussian_kernel(2, 1.5)
    kernel[0, 0] = kernel[-1, -1] = 0
    result = joint_average(image, guide, kernel, lambda d: np.exp(-np.abs(d)), border="edge")
    padded, padded_guide = (np.pad(a[0], 2, "edge") for a in (image, guide))
    for y, x in np.ndindex(6, 5):
        window = np.s_[y : y + 5, x : x + 5]
        weight = kernel * np.exp(-np.abs(padded_guide[window] - guide[0, y, x]))
        expected = (weight * padded[window]).sum() / weight.sum()
        assert result[0, y, x] == pytest.approx(expected)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((4, 4), np.uint8), r"got \(4, 4\) uint8. Divide 8-bit images by 255."),
        (np.zeros((4, 4, 4)), r"must be \(H, W\) or \(H, W, 3\).*got \(4, 4, 4\) float64"),
        (np.zeros((0, 4)), r"got \(0, 4\) float64"),
    ],
    ids=["bytes", "four channels", "empty"],
)
def test_other_images_are_refused(name: str, image: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FILTERS[name](image)


@pytest.mark.parametrize("function", [bilateral_opencv, rolling_guidance_opencv])
def test_8_bit_filters_refuse_floats(function) -> None:
    with pytest.raises(ValueError, match=r"must be .* uint8, got \(4, 4\) float64"):
        function(np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("function", "settings", "told"),
    [
        (l0, {"lam": 0.0}, "lam: must be above 0, got 0.0"),
        (l0, {"kappa": 1.0}, "kappa: must be above 1, got 1.0"),
        (rtv, {"sigma": -1}, "sigma: must be above 0, got -1"),
        (rtv, {"iterations": 0}, "iterations: must be above 0, got 0"),
        (rolling_guidance, {"sigma_r": float("nan")}, "sigma_r: must be above 0, got nan"),
        (rolling_guidance, {"precision": 1.0}, r"precision: must be in \[0, 1\), got 1.0"),
        (bilateral, {"d": -3}, "d: must be 0 or a diameter in pixels, got -3"),
        (bilateral, {"sigma_space": 0}, "sigma_space: must be above 0, got 0"),
        (sd, {"neighbours": 6}, "neighbours: must be 4 or 8, got 6"),
        (wls, {"lam": 0}, "lam: must be above 0, got 0"),
        (ils, {"p": 2.5}, "p: must be at most 2, got 2.5"),
        (guided, {"size": 4}, "size: must be odd, got 4"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_settings_out_of_range_are_refused(function, settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        function(noise(4, 4), **settings)


def test_a_window_ends_where_its_weights_do() -> None:
    kernel = gaussian_kernel(12, 4.0)
    kernel[kernel <= 0.05] = 0
    # exp(-9 ** 2 / 32) = 0.08 is above that, exp(-10 ** 2 / 32) = 0.04 is not.
    assert _without_empty_margin(kernel).shape == (19, 19)
