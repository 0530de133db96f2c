"""Colour jitter against PIL, which it reproduces."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

from smoothkit.ops.jitter import Step, jitter

PIL_STEPS = {
    "hue": functional.adjust_hue,
    "contrast": functional.adjust_contrast,
    "brightness": functional.adjust_brightness,
}


def by_pil(rgb: np.ndarray, steps: list[Step]) -> np.ndarray:
    image = Image.fromarray(rgb)
    for name, amount in steps:
        image = PIL_STEPS[name](image, amount)
    return np.array(image)


def colours() -> dict[str, np.ndarray]:
    """Images with many ties between channels, greys and extremes among them."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    levels = np.array([0, 1, 2, 127, 128, 254, 255], np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(7, 49, 3)
    return {"noise": noise, "coarse": noise // 64 * 64, "cube": cube, "grey": noise[..., [0, 0, 0]]}


@pytest.mark.parametrize("image", colours().values(), ids=colours())
@pytest.mark.parametrize(
    "steps",
    [
        [("hue", 0.3)],
        [("hue", -0.001)],
        [("hue", -0.29), ("contrast", 1.7), ("brightness", 0.4)],
        [("brightness", 1.6), ("hue", 0.1), ("contrast", 0.3)],
    ],
    ids=str,
)
def test_bytes_are_those_of_pil(image: np.ndarray, steps: list[Step]) -> None:
    np.testing.assert_array_equal(jitter(image, steps, order="rgb"), by_pil(image, steps))


def test_bgr_images_are_read_in_their_order() -> None:
    image, steps = colours()["noise"], [("hue", 0.2), ("contrast", 0.6)]
    np.testing.assert_array_equal(
        jitter(image[..., ::-1], steps), jitter(image, steps, order="rgb")[..., ::-1]
    )


def test_a_third_of_a_turn_takes_red_to_green() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 2] = 255
    assert jitter(red, [("hue", 1 / 3)])[0, 0].tolist() == [0, 255, 0]


def test_sixteen_bits_follow_the_same_curves_without_losing_levels() -> None:
    ramp = np.linspace(0, 65535, 3000).astype(np.uint16).reshape(30, 100, 1)
    image = np.concatenate([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1)
    result = jitter(image, [("hue", 0.1), ("contrast", 0.8)])
    expected = jitter((image / 257).round().astype(np.uint8), [("hue", 0.1), ("contrast", 0.8)])
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 2000
    assert np.abs(result / 257 - expected).mean() < 1.5
