"""Trimaps, augmentation and whole training items of LSA matting against recorded ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from smoothkit.ops.io import to_float
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.augment import Draws, Gamma, Sample, apply, with_gamma
from smoothkit.systems.lsa.coloring import Mix
from smoothkit.systems.lsa.trimap import make_trimap
from smoothkit.systems.lsa.windows import (
    Rotation,
    Window,
    choose_window,
    enlarged_size,
    padded,
    resized,
    rotated,
)
from support.oracle import Case

TRIMAP, AUGMENT, ITEM = (Case("matting", name) for name in ("trimap", "augment", "getitem"))

# The decisions that the fixture tells in words and random numbers.
DRAWS = {
    "baseline_0": Draws(64, background_radius=5, foreground_radius=7),
    "baseline_1": Draws(
        80,
        background_radius=3,
        foreground_radius=12,
        rotations=(Rotation(-4, 7, 33), Rotation(3, -9, -120)),
        flips_foreground=True,
        gamma=Gamma(0.5 + 0.4 / 2, is_of_background=True),
        mix=Mix((0.9, 0.25, 0.6), (0.3, 0.75, 0.5)),
        inverts=True,
        permutation=(2, 0, 1),
    ),
    "official_0": Draws(48, background_radius=2, foreground_radius=2, flips_background=True),
    "official_1": Draws(
        68,
        background_radius=20,
        foreground_radius=4,
        rotations=(Rotation(10, -10, 180), Rotation(-3, 0, -90)),
        flips_foreground=True,
        gamma=Gamma(1.4, is_of_background=False),
        inverts=True,
        blur=(2, 3),
        degraded_sides=(960, 320),
    ),
}
CANDIDATE = 200
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("key", [k for k in TRIMAP.arrays if k.startswith("trimap")])
def test_trimaps_are_the_recorded_ones(key: str) -> None:
    name, _, which = key.removeprefix("trimap").partition("_")
    radii = TRIMAP.meta["radii"][int(which)] if name else [10, 10]
    constant = {"zeros": 0, "full": 255, "soft": 77}
    if which in constant:
        alpha = np.full((12, 15), constant[which], np.uint8)
    else:
        alpha = TRIMAP[f"alpha{name}" if name else "alpha_binary"]
    np.testing.assert_array_equal(make_trimap(alpha, *radii), TRIMAP[key])


@pytest.mark.parametrize("is_of_background", [False, True])
@pytest.mark.parametrize("number", range(6))
def test_gamma_gives_the_recorded_levels(number: int, is_of_background: bool) -> None:
    gamma = Gamma(AUGMENT.meta["gammas"][number], is_of_background)
    expected = AUGMENT[f"gamma{number}_{int(is_of_background)}"]
    np.testing.assert_array_equal(with_gamma(AUGMENT["ramp"], gamma), expected)


@pytest.mark.parametrize("number", range(6))
def test_windows_are_the_recorded_ones(number: int) -> None:
    case = AUGMENT.meta["crop_cases"][number]
    alpha = AUGMENT["crop_src_alpha"]
    shares = share_of(alpha, case["candidate_indices"])
    window = choose_window(alpha, case["crop_h"], case["crop_w"], shares)
    assert list(window.of(alpha).shape) == case["shape"]
    name = f"_{case['name']}" if "name" in case else number
    np.testing.assert_array_equal(window.of(alpha), AUGMENT[f"crop_alpha{name}"])
    for image in ("fg", "bg") if name == number else ():
        mean = window.of(AUGMENT[f"crop_src_{image}"]).mean((0, 1))
        np.testing.assert_allclose(mean, AUGMENT[f"crop_{image}mean{number}"], rtol=1e-12)


def test_an_empty_alpha_gives_the_recorded_window() -> None:
    fg = AUGMENT["crop_src_fg"]
    window = choose_window(np.zeros(fg.shape[:2], np.uint8), 40, 40, [0.3])
    assert window == Window(40, 55, 40, 40)
    mean = window.of(fg).mean((0, 1))
    np.testing.assert_allclose(mean, AUGMENT["crop_fgmean_empty"], rtol=1e-12)


@pytest.fixture(scope="module")
def items() -> dict[str, Sample]:
    return {name: item(draws) for name, draws in DRAWS.items()}


def item(draws: Draws) -> Sample:
    draws = replace(draws, candidates=tuple(share_of(placed_alpha(draws), [CANDIDATE])))
    inputs = ITEM["fg"], ITEM["alpha"], ITEM["bg"]
    return apply(*inputs, draws, train_size=ITEM.meta["train_size"], keep_aspect=False)


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("kind", ["fg", "bg", "alpha"])
def test_recorded_draws_replay_the_images_of_an_item(items, name: str, kind: str) -> None:
    made = items[name]
    image = {"fg": made.foreground, "bg": made.background, "alpha": made.alpha}[kind]
    stored = image if kind == "alpha" else image[..., ::-1].transpose(2, 0, 1)
    apart = np.abs(stored.astype(int) - ITEM[f"{name}_{kind}"])
    if name == "baseline_1":  # oblique rotation, on which builds of OpenCV differ
        assert apart.mean() < 0.3
        assert apart.max() < 12
    else:
        assert apart.max() <= 1
        assert (apart > 0).mean() <= 0.01


@pytest.mark.parametrize("name", DRAWS)
def test_recorded_draws_replay_the_trimap_of_an_item(items, name: str) -> None:
    least = 0.98 if name == "baseline_1" else 0.99
    assert (items[name].trimap == ITEM[f"{name}_trimap"]).mean() >= least


@pytest.mark.parametrize("name", ["baseline_0", "official_0"])
def test_an_item_comes_in_the_recorded_channel_order(items, name: str) -> None:
    mean, std = (np.array(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    fg = to_tensor(to_float(items[name].foreground)).numpy()
    corner = (fg[:, :2, :2] - mean) / std
    np.testing.assert_allclose(corner, ITEM[f"{name}_fg_norm_corner"], atol=1e-5)


def placed_alpha(draws: Draws) -> np.ndarray:
    """The alpha from which the window of an item is chosen."""
    alpha = padded(ITEM["alpha"], ITEM.meta["train_size"])
    alpha = rotated(alpha, draws.rotations[0] if draws.rotations else None)
    size = enlarged_size(alpha.shape, draws.side)
    return resized(alpha, size) if size else alpha


def share_of(alpha: np.ndarray, indices: list[int]) -> list[float]:
    """What draws the pixels of these numbers in the list of those that are not empty."""
    return [(index + 0.5) / np.count_nonzero(alpha) for index in indices]
