from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional as TF

from smoothkit.systems.lsa.augment import (
    PRESETS,
    Chances,
    Draws,
    Gamma,
    Sample,
    apply,
    sample,
    with_gamma,
)
from smoothkit.systems.lsa.coloring import Mix, jittered, recolored
from smoothkit.systems.lsa.windows import (
    Rotation,
    Window,
    choose_window,
    covering,
    cut,
    enlarged_size,
    padded,
    rotated,
    rotated_alpha,
)

# OpenCV 4 maps the pixels of a whole image and those of a window in steps of 1/32 pixel.
ROTATION_TOLERANCE = 0 if cv2.__version__ >= "5" else 12
SIDE = 32


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def blob(height: int, width: int) -> np.ndarray:
    """An opaque disc with a soft rim."""
    down, right = np.mgrid[:height, :width]
    distance = np.hypot(down - height / 2, right - width / 2)
    return np.clip((min(height, width) / 3 - distance) * 40 + 128, 0, 255).astype(np.uint8)


def draws(**changes) -> Draws:
    return replace(Draws(SIDE, background_radius=3, foreground_radius=2), **changes)


def made(change: Draws, *, size: tuple[int, int] = (48, 60), **options) -> Sample:
    inputs = noise(*size), blob(*size), noise(30, 40, seed=1)
    return apply(*inputs, change, train_size=SIDE, **options)


@pytest.mark.parametrize("angle", [33, -120, 90, 180, 7.5])
def test_a_window_is_rotated_as_the_whole_image_is(angle: float) -> None:
    image, rotation = noise(90, 130), Rotation(-4, 7, angle)
    window = Window(20, 35, 50, 60)
    apart = cut(image, rotation, window).astype(int) - window.of(rotated(image, rotation))
    assert np.abs(apart).max() <= ROTATION_TOLERANCE
    np.testing.assert_array_equal(cut(image, None, window), image[20:70, 35:95])


@pytest.mark.parametrize("place", [(0, 0), (70, 110), (30, 40), (89, 129)])
def test_alpha_is_rotated_whole_though_only_its_support_is_computed(place) -> None:
    alpha = np.zeros((90, 130), np.uint8)
    part = alpha[place[0] : place[0] + 15, place[1] : place[1] + 15]
    part[:] = 200
    for angle in (0, 41, 133, -60):
        rotation = Rotation(3, -10, angle)
        apart = rotated_alpha(alpha, rotation).astype(int) - rotated(alpha, rotation)
        assert np.abs(apart).max() <= ROTATION_TOLERANCE
    assert not rotated_alpha(np.zeros_like(alpha), Rotation(0, 0, 20)).any()


def test_rotation_turns_counter_clockwise_about_the_point_drawn() -> None:
    image = np.zeros((40, 60), np.uint8)
    image[18, 40] = 255
    turned = rotated(image, Rotation(-2, 5, 90))  # about row 18, column 35
    assert turned[13, 35] == 255
    assert np.count_nonzero(turned) == 1


def test_small_images_grow_by_what_is_missing_on_every_side() -> None:
    image = noise(10, 50)
    grown = padded(image, 20)
    assert grown.shape == (30, 70, 3)
    np.testing.assert_array_equal(grown[10:20, 10:60], image)
    np.testing.assert_array_equal(grown[9, 10:60], image[1])  # the edge is not repeated
    assert padded(noise(18, 10), 20).shape == (34, 26, 3)  # 22 x 14, then 6 more all around
    assert padded(noise(1, 1), 20).shape[0] >= 20


def test_a_background_keeps_its_aspect_ratio_by_being_cut() -> None:
    image = noise(30, 40)
    np.testing.assert_array_equal(covering(image, (50, 100), (0.0, 0.5)), image[:20])
    np.testing.assert_array_equal(covering(image, (50, 100), (1.0, 0.5)), image[10:])
    np.testing.assert_array_equal(covering(image, (90, 60), (0.0, 0.5)), image[:, 10:30])
    np.testing.assert_array_equal(covering(image, (3, 4), (0.0, 0.0)), image)
    assert covering(noise(1, 1), (10, 20), (0.5, 0.5)).shape == (1, 1, 3)


def test_backgrounds_are_stretched_only_if_asked() -> None:
    squares, kept, stretched = (
        noise(30, 40, seed=1),
        made(draws()),
        made(draws(), keep_aspect=False),
    )
    assert not np.array_equal(kept.background, stretched.background)
    same = {"train_size": SIDE, "keep_aspect": False}
    part = covering(squares, (48, 60), (0.5, 0.5))
    by_hand = apply(noise(48, 60), blob(48, 60), part, draws(), **same)
    np.testing.assert_array_equal(by_hand.background, kept.background)
    np.testing.assert_array_equal(kept.foreground, stretched.foreground)


def test_an_image_is_enlarged_until_the_window_fits() -> None:
    assert enlarged_size((100, 50), 50) is None
    assert enlarged_size((100, 50), 75) == (151, 76)
    assert enlarged_size((40, 50), 60) == (61, 76)


def test_a_window_is_moved_inwards() -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[0, 0] = alpha[39, 59] = 255
    assert choose_window(alpha, 10, 20, [0.0]) == Window(0, 0, 10, 20)
    assert choose_window(alpha, 10, 20, [0.99]) == Window(30, 40, 10, 20)
    assert choose_window(alpha, 11, 21, [0.0]) == Window(0, 0, 10, 20)  # an odd pixel is lost


def test_a_window_without_its_share_of_fractional_pixels_is_tried_again() -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[5:15, 5:15] = 255
    alpha[25:35, 45:55] = 100
    assert choose_window(alpha, 10, 10, [0.1, 0.9]).top >= 20
    assert choose_window(alpha, 10, 10, [0.1, 0.2]).top <= 15  # the last one, come what may


@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_generator_gives_the_same_draw(preset) -> None:
    first, second = (
        [sample(np.random.default_rng(seed), PRESETS[preset]) for seed in range(20)]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) == 20


def test_presets_differ_as_the_published_pipelines_do() -> None:
    rng = np.random.default_rng(0)
    drawn = {name: [sample(rng, chances) for _ in range(400)] for name, chances in PRESETS.items()}
    rate = {n: {f: np.mean([bool(getattr(d, f)) for d in ds]) for f in Draws.__dataclass_fields__}
            for n, ds in drawn.items()}  # fmt: skip
    for name in ("baseline", "official"):
        assert rate[name]["rotations"] == pytest.approx(0.5, abs=0.1)
        for step in ("gamma", "inverts", "permutation"):
            assert rate[name][step] == pytest.approx(0.3, abs=0.1)
    assert rate["baseline"]["mix"] == pytest.approx(0.3, abs=0.1)
    assert rate["official"]["blur"] == pytest.approx(0.3, abs=0.1)
    assert rate["official"]["foreground_jitter"] == 1
    assert rate["official"]["mix"] == 0
    for step in ("blur", "degraded_sides", "foreground_jitter", "background_jitter"):
        assert rate["baseline"][step] == 0


def test_draws_stay_in_their_ranges() -> None:
    rng = np.random.default_rng(0)
    always = Chances(*[1.0] * 9)
    drawn = [sample(rng, always, (480, 800)) for _ in range(3000)]
    assert {d.side for d in drawn} == set(range(480, 801))
    turns = [turn for d in drawn for turn in d.rotations]
    assert {t.angle for t in turns} == set(range(-180, 181))
    assert {t.down for t in turns} == {t.right for t in turns} == set(range(-10, 11))
    assert {half for d in drawn for half in d.blur} == {1, 2, 3}
    assert {side for d in drawn for side in d.degraded_sides} == {320, 960}
    exponents = [d.gamma.exponent for d in drawn]
    assert 0.5 <= min(exponents) < 0.52
    assert 1.98 < max(exponents) < 2
    factors = [factor for d in drawn for _, factor in d.foreground_jitter]
    assert 0.8 <= min(factors) < max(factors) <= 1.2
    orders = {tuple(name for name, _ in d.background_jitter) for d in drawn}
    assert len(orders) == 6
    assert {name for order in orders for name in order} == {"brightness", "contrast", "saturation"}


def test_a_chance_beyond_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gamma: must be between 0 and 1, got 1.5"):
        Chances(gamma=1.5)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [(48, 60), (7, 5), (1, 1), (33, 200)])
def test_a_draw_replays_exactly_at_any_size(preset, size) -> None:
    for seed in range(4):
        change = sample(np.random.default_rng(seed), PRESETS[preset], (24, 40))
        first, second = made(change, size=size), made(change, size=size)
        assert first.foreground.shape == first.background.shape == (SIDE, SIDE, 3)
        assert first.alpha.shape == first.trimap.shape == (SIDE, SIDE)
        for name in ("foreground", "background", "alpha", "trimap"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
            assert getattr(first, name).dtype == np.uint8


def test_foreground_and_alpha_flip_together_and_the_background_alone() -> None:
    plain = made(draws())
    flipped = made(draws(flips_foreground=True))
    for name in ("foreground", "alpha", "trimap"):
        np.testing.assert_array_equal(getattr(flipped, name), getattr(plain, name)[:, ::-1])
    np.testing.assert_array_equal(flipped.background, plain.background)
    behind = made(draws(flips_background=True)).background
    np.testing.assert_array_equal(behind, plain.background[:, ::-1])


def test_an_odd_window_is_resized_to_the_training_size() -> None:
    assert made(draws(side=SIDE + 1)).foreground.tobytes() == made(draws()).foreground.tobytes()
    assert made(draws(side=SIDE - 1)).foreground.shape == (SIDE, SIDE, 3)


def test_the_trimap_is_of_the_alpha_after_gamma() -> None:
    soft = made(draws(gamma=Gamma(2.0, is_of_background=False)))
    np.testing.assert_array_equal(
        soft.alpha, with_gamma(made(draws()).alpha, Gamma(2.0, is_of_background=False))
    )
    assert (soft.trimap[(soft.alpha > 0) & (soft.alpha < 255)] == 128).all()


def test_snapped_alpha_has_less_unknown() -> None:
    alpha = np.where(blob(48, 60) > 128, 254, 2).astype(np.uint8)
    inputs = noise(48, 60), alpha, noise(30, 40)
    plain, snapped = (apply(*inputs, draws(), train_size=SIDE, alpha_snap=s) for s in (0, 3))
    assert (plain.trimap == 128).all()
    assert set(np.unique(snapped.alpha)) == {0, 255}
    assert not (snapped.trimap == 128).any()


def test_colours_are_mixed_inverted_and_permuted_in_this_order() -> None:
    image = np.array([[[10, 100, 201]]], np.uint8)
    mix = Mix((1.0, 0.0, 0.5), (0.5, 0.25, 1.0))
    # 10 / 2 + 255 / 2 = 132.5; 100 / 4 = 25; 201, truncated
    np.testing.assert_array_equal(recolored(image, mix, False, None), [[[132, 25, 201]]])
    np.testing.assert_array_equal(recolored(image, mix, True, None), [[[123, 230, 54]]])
    np.testing.assert_array_equal(recolored(image, mix, True, (2, 0, 1)), [[[54, 123, 230]]])
    assert recolored(image, None, False, None) is image


@pytest.mark.parametrize("factor", [0.8, 0.93, 1.2])
def test_jitter_gives_the_bytes_of_torchvision(factor: float) -> None:
    image = noise(64, 50)
    picture = Image.fromarray(image[..., ::-1])
    changes = {"brightness": TF.adjust_brightness, "contrast": TF.adjust_contrast,
               "saturation": TF.adjust_saturation}  # fmt: skip
    for name, change in changes.items():
        expected = np.asarray(change(picture, factor))[..., ::-1]
        np.testing.assert_array_equal(jittered(image, [(name, factor)]), expected, err_msg=name)
    both = TF.adjust_brightness(TF.adjust_saturation(picture, factor), 1.1)
    steps = [("saturation", factor), ("brightness", 1.1)]
    np.testing.assert_array_equal(jittered(image, steps), np.asarray(both)[..., ::-1])


def test_each_image_is_degraded_by_a_draw_of_its_own() -> None:
    plain, lowered = made(draws()), made(draws(degraded_sides=(32, 4)))
    np.testing.assert_array_equal(plain.foreground, lowered.foreground)  # to its own size and back
    rough, smooth = (
        np.abs(np.diff(i.background.astype(int), axis=0)).mean() for i in (plain, lowered)
    )
    assert smooth < rough / 3
    blurry = made(draws(blur=(1, 3)))
    expected = cv2.GaussianBlur(plain.foreground, (3, 7), 0)
    np.testing.assert_array_equal(blurry.foreground, expected)
