"""Paired geometry and colour: sampled parameters, and what they do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.ops.augment import (
    Params,
    Ranges,
    apply_color,
    apply_geometry,
    crop,
    sample,
    sample_crop,
)


def noise(height: int = 40, width: int = 50, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


def test_the_same_generator_gives_the_same_draw() -> None:
    first, second = (sample(np.random.default_rng(3), 200, 300, 128) for _ in range(2))
    assert first == second != sample(np.random.default_rng(4), 200, 300, 128)


def test_draws_cover_their_ranges_and_stay_inside_the_image() -> None:
    rng = np.random.default_rng(0)
    draws = [sample(rng, 36, 100, 32) for _ in range(3000)]
    assert {d.height for d in draws} == set(range(24, 37))  # 40 is clamped to the image's 36
    assert {d.width for d in draws} == set(range(24, 41))
    assert all(d.row + d.height <= 36 and d.col + d.width <= 100 for d in draws)
    assert max(d.col + d.width for d in draws) == 100
    assert {d.angle for d in draws} == set(range(-45, 45))
    assert {d.is_flipped for d in draws} == {False, True}
    for name, low, high in [("hue", -0.3, 0.3), ("contrast", 0.3, 1.7), ("brightness", 0.3, 1.7)]:
        values = [getattr(d, name) for d in draws]
        assert low <= min(values) < low + 0.01
        assert high - 0.01 < max(values) <= high


def test_ranges_of_nothing_leave_a_plain_crop_with_flips_and_right_angles() -> None:
    still = Ranges(size=0, angle=0, hue=0, contrast=0, brightness=0, quarters=True)
    rng = np.random.default_rng(0)
    draws = [sample(rng, 40, 50, 32, still) for _ in range(100)]
    assert {d.quarters for d in draws} == {0, 1, 2, 3}
    plain = {(d.height, d.width, d.angle, d.hue, d.contrast, d.brightness) for d in draws}
    assert plain == {(32, 32, 0.0, 0.0, 1.0, 1.0)}


def test_quarters_turn_images_and_labels_alike_without_resampling() -> None:
    patch = noise(32, 32)
    turn = Params(32, 32, 0, 0, is_flipped=True, quarters=1)
    expected = np.rot90(patch[:, ::-1])
    np.testing.assert_array_equal(apply_geometry(patch, turn, 32), expected)
    np.testing.assert_array_equal(apply_geometry(patch[..., 0], turn, 32), expected[..., 0])


@pytest.mark.parametrize("wrong", [{"hue": 0.6}, {"size": 1}, {"angle": -1}, {"contrast": 1.0}])
def test_ranges_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: must be"):
        Ranges(**wrong)


def test_a_crop_reaches_the_last_position_and_an_image_of_its_size() -> None:
    rng = np.random.default_rng(0)
    draws = [sample_crop(rng, 33, 32, 32, 32) for _ in range(50)]
    assert {(d.row, d.col) for d in draws} == {(0, 0), (1, 0)}


def test_a_crop_is_a_view_of_its_window() -> None:
    image = noise()
    window = crop(image, Params(10, 20, 3, 4))
    np.testing.assert_array_equal(window, image[3:13, 4:24])
    assert window.base is image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_patch_that_is_not_moved_is_unchanged(dtype: type) -> None:
    patch = noise(32, 32, dtype)
    moved = apply_geometry(patch, Params(32, 32, 0, 0), 32)
    assert moved.dtype == dtype
    np.testing.assert_array_equal(moved, patch)


def test_flip_mirrors_left_and_right() -> None:
    patch = noise(32, 32)
    moved = apply_geometry(patch, Params(32, 32, 0, 0, is_flipped=True), 32)
    np.testing.assert_array_equal(moved, patch[:, ::-1])


def test_rotation_leaves_zeros_or_mirrored_pixels_in_the_corners() -> None:
    patch = np.full((32, 32, 3), 200, np.uint8)
    params = Params(32, 32, 0, 0, angle=45.0)
    assert apply_geometry(patch, params, 32)[0, 0].tolist() == [0, 0, 0]
    assert (apply_geometry(patch, params, 32, border="reflect") == 200).all()


def test_rotation_is_about_the_pixel_at_half_the_patch() -> None:
    patch = np.zeros((32, 32), np.uint8)
    patch[16, 16] = patch[16, 20] = 1
    moved = apply_geometry(patch, Params(32, 32, 0, 0, angle=90.0), 32)
    assert np.argwhere(moved).tolist() == [[12, 16], [16, 16]]  # counter-clockwise: right goes up


def test_labels_stay_labels() -> None:
    labels = (noise(45, 39)[..., 0] > 127).astype(np.uint8)
    moved = apply_geometry(labels, Params(45, 39, 0, 0, True, 17.0), 32)
    assert moved.dtype == np.uint8
    assert set(np.unique(moved)) == {0, 1}


def test_images_are_resampled_in_float_and_truncated() -> None:
    patch = noise(45, 39)
    moved = apply_geometry(patch, Params(45, 39, 0, 0), 32)
    exact = cv2.resize(patch.astype(np.float32), (32, 32), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(moved, np.floor(exact))


def test_neutral_colour_parameters_change_nothing() -> None:
    image = noise()
    np.testing.assert_array_equal(apply_color(image, Params(40, 50, 0, 0)), image)


def test_the_reference_reads_blue_as_red() -> None:
    image, params = noise(), Params(0, 0, 0, 0, hue=0.2, contrast=0.7, brightness=1.2)
    legacy = apply_color(image, params, order="rgb")
    swapped = apply_color(image[..., ::-1], params)[..., ::-1]
    np.testing.assert_array_equal(legacy, swapped)
    assert (legacy != apply_color(image, params)).any()


CSGIS = Ranges(recipe="csgis")


def test_the_recipe_of_csgis_keeps_sizes_and_draws_real_angles_and_orders_of_colour() -> None:
    rng = np.random.default_rng(0)
    draws = [sample(rng, 40, 50, 32, CSGIS) for _ in range(2000)]
    assert {(d.height, d.width, d.is_nearest) for d in draws} == {(32, 32, True)}
    assert max(d.row for d in draws) == 8
    angles = np.array([d.angle for d in draws])
    assert -45 <= angles.min() < -44.5 < 44.5 < angles.max() <= 45
    assert np.mean(angles == np.rint(angles)) == 0
    orders, counts = np.unique([d.color_order for d in draws], axis=0, return_counts=True)
    assert len(orders) == 6
    assert counts.min() > 2000 / 6 * 0.8


def test_a_size_that_is_given_holds_in_both_recipes() -> None:
    for recipe in ("easy2hard", "csgis"):
        rng = np.random.default_rng(0)
        sized = Ranges(recipe=recipe, size=0.125)
        heights = {sample(rng, 200, 200, 32, sized).height for _ in range(300)}
        assert heights == set(range(28, 37)), recipe


def test_draws_of_the_first_recipe_are_those_of_before_there_were_two() -> None:
    draw = sample(np.random.default_rng(3), 200, 300, 128)
    assert (draw.height, draw.width, draw.row, draw.col) == (148, 101, 9, 47)
    assert (draw.is_flipped, draw.angle) == (True, 33.0)
    colors = (-0.24352281465576048, 0.9063777163310633, 0.9706718173971677)
    assert (draw.hue, draw.contrast, draw.brightness) == colors
    assert (draw.is_nearest, draw.color_order) == (False, ("hue", "contrast", "brightness"))


def turned(image: np.ndarray, angle: float, **options) -> np.ndarray:
    params = Params(*image.shape[:2], 0, 0, angle=angle, is_nearest=True)
    return apply_geometry(image, params, len(image), **options)


@pytest.mark.parametrize("size", [1, 31, 32, 129])
@pytest.mark.parametrize("angle", [-44.9, -0.01, 1e-9, 12.3, 45.0, 90.0, 180.0, 190.5])
def test_nearest_rotation_takes_the_pixels_of_pil(size: int, angle: float) -> None:
    image = noise(size, size)
    expected = np.asarray(Image.fromarray(image).rotate(angle))
    np.testing.assert_array_equal(turned(image, angle), expected)
    np.testing.assert_array_equal(turned(image[..., 1], angle, is_label=True), expected[..., 1])
    deep = image.astype(np.uint16) * 257
    np.testing.assert_array_equal(turned(deep, angle), expected.astype(np.uint16) * 257)


def test_nearest_rotation_mirrors_what_comes_in_at_the_corners_on_request() -> None:
    image = noise(32, 32)
    around = np.pad(image, ((16, 16), (16, 16), (0, 0)), mode="reflect")
    expected = turned(around, 30.7)[16:48, 16:48]
    np.testing.assert_array_equal(turned(image, 30.7, border="reflect"), expected)


@pytest.mark.parametrize("is_nearest", [False, True])
def test_classes_stay_classes_and_move_with_their_image(is_nearest: bool) -> None:
    classes = np.zeros((90, 78), np.uint8)
    classes[20:60, 10:40], classes[40:80, 40:70] = 15, 255
    params = Params(90, 78, 0, 0, True, 17.0, is_nearest=is_nearest)
    moved = apply_geometry(classes, params, 32, is_label=True)
    assert set(np.unique(moved)) == {0, 15, 255}
    for value in (15, 255):
        shown = np.repeat((classes == value)[..., None] * np.uint8(200), 3, axis=2)
        image = apply_geometry(shown, params, 32)[..., 0]
        # Half a pixel of the crop aside would be 0.03.
        assert np.mean((image > 100) != (moved == value)) < 0.01, value


def test_colours_are_changed_in_the_given_order() -> None:
    image, amounts = noise(), {"hue": 0.2, "contrast": 0.4, "brightness": 1.6}
    params = Params(0, 0, 0, 0, **amounts, color_order=("brightness", "hue", "contrast"))
    expected = image
    for name in params.color_order:
        expected = apply_color(expected, Params(0, 0, 0, 0, **{name: amounts[name]}))
    np.testing.assert_array_equal(apply_color(image, params), expected)
    assert (expected != apply_color(image, Params(0, 0, 0, 0, **amounts))).any()
