from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa import reestimate as module
from smoothkit.systems.lsa.reestimate import jacobi, reestimate


def scene(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random foreground and alpha; a fourth of the pixels opaque, a fourth transparent."""
    rng = np.random.default_rng(seed)
    alpha = np.clip(rng.random((height, width)) * 2 - 0.5, 0, 1)
    return rng.random((height, width, 3)), alpha


def straight(start, product, alpha, kappa: float, iterations: int) -> np.ndarray:
    """The update as its formula has it."""
    shifts = [(0, -1), (0, 1), (-1, 0), (1, 0)]

    def around(image: np.ndarray) -> list[np.ndarray]:
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), "reflect")
        inside = padded[1:-1, 1:-1].shape[:2]
        return [padded[1 + y :, 1 + x :][: inside[0], : inside[1]] for y, x in shifts]

    alpha = alpha[..., None]
    doubts = (1 - alpha) ** 2
    weights = [kappa * (doubts + other) for other in around(doubts)]
    for _ in range(iterations):
        flow = sum(w * colour for w, colour in zip(weights, around(start), strict=True))
        start = (alpha * product + flow) / (alpha**2 + sum(weights))
    return start


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1), (2, 2), (5, 7), (21, 33)])
def test_one_scale_is_the_straight_iteration_at_any_size(size: tuple[int, int]) -> None:
    fg, alpha = scene(*size)
    found = reestimate(fg, alpha, kappa=0.7, scales=1, iterations=9)
    expected = straight(fg, fg * alpha[..., None], alpha, 0.7, 9)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (20, 31)])
def test_scales_of_small_images_keep_at_least_a_pixel(size: tuple[int, int]) -> None:
    fg, alpha = scene(*size)
    expected = fg
    for scale in (3, 2, 1, 0):
        shape = tuple(max(1, side >> scale) for side in size)
        start, product, matte = (
            cv2.resize(image, shape[::-1]).reshape(*shape, -1)
            for image in (expected, fg * alpha[..., None], alpha)
        )
        expected = straight(start, product, matte[..., 0], 1, 3 << scale)
    found = reestimate(fg, alpha, scales=4, iterations=3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_opaque_image_stays_as_it_is() -> None:
    fg, alpha = scene(40, 50)
    np.testing.assert_array_equal(reestimate(fg, np.ones_like(alpha)), fg)


def test_opaque_pixels_among_opaque_ones_stay_as_they_are() -> None:
    fg, alpha = scene(40, 50)
    alpha[10:30, 10:30] = 1
    found = reestimate(fg, alpha)
    np.testing.assert_array_equal(found[11:29, 11:29], fg[11:29, 11:29])
    assert np.abs(found[10, 10:30] - fg[10, 10:30]).max() > 0.01


@pytest.mark.parametrize("kappa", [1e-3, 1.0, 100.0])
def test_constant_colour_stays_whatever_alpha_is(kappa: float) -> None:
    _, alpha = scene(40, 50)
    alpha[0, 0] = 1
    colour = np.broadcast_to([0.2, 0.5, 0.9], (40, 50, 3))
    found = reestimate(colour, alpha, kappa=kappa)
    np.testing.assert_allclose(found, colour, rtol=0, atol=1e-12)


def polluted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True foreground, alpha with a soft rim, and what a bright background makes of the first."""
    rows, columns = np.mgrid[:120, :160] / 160
    true = np.stack([rows, columns, 1 - rows], axis=2) * 0.6
    alpha = np.clip((0.3 - np.hypot(rows - 0.35, columns - 0.5)) / 0.1, 0, 1)
    return true, alpha, alpha[..., None] * true + (1 - alpha[..., None])


def test_pollution_is_reduced_and_more_so_where_the_product_is_known() -> None:
    true, alpha, fg = polluted()
    is_unknown = (alpha > 0) & (alpha < 1)
    found = reestimate(fg, alpha)
    better = reestimate(fg, alpha, product=alpha[..., None] * true)
    errors = [np.square(image - true)[is_unknown].mean() for image in (fg, found, better)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[2] < 0.1 * errors[1]


def test_less_kappa_follows_the_product_more_closely() -> None:
    fg, alpha = scene(40, 50)
    misfits = [
        np.square(alpha[..., None] * (reestimate(fg, alpha, kappa=kappa) - fg)).mean()
        for kappa in (0.01, 0.1, 1, 10)
    ]
    assert misfits == sorted(misfits)
    assert misfits[0] < 0.1 * misfits[-1]


def test_start_is_the_foreground_or_its_product() -> None:
    fg, alpha = scene(4, 5)
    product = fg * alpha[..., None]
    for init, start in (("foreground", fg), ("product", product)):
        found = reestimate(fg, alpha, scales=1, iterations=1, init=init)
        expected = straight(start, product, alpha, 1, 1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_tensors_and_arrays_give_the_same() -> None:
    fg, alpha = (image.astype(np.float32) for image in scene(33, 47))
    found = reestimate(to_tensor(fg, "bgr").requires_grad_(), to_tensor(alpha))
    assert found.shape == (3, 33, 47)
    assert not found.requires_grad
    np.testing.assert_array_equal(found.permute(1, 2, 0), reestimate(fg, alpha))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bands_and_threads_do_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    fg, alpha = scene(90, 61)
    whole = reestimate(fg, alpha, iterations=7)
    monkeypatch.setattr(module, "_VALUES_PER_BAND", 3 * 61 * 8)
    monkeypatch.setattr(module, "_STEPS_PER_BAND", 5)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = reestimate(fg, alpha, iterations=7)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-14)


@pytest.mark.gpu
def test_accelerator_gives_the_result_of_the_cpu(device: torch.device) -> None:
    fg, alpha = (to_tensor(image.astype(np.float32), "bgr") for image in scene(70, 90))
    found = reestimate(fg.to(device), alpha.to(device))
    assert found.device.type == device.type
    torch.testing.assert_close(found.cpu(), reestimate(fg, alpha), rtol=0, atol=2e-5)


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (40, 50), (81, 33)])
def test_resizing_is_that_of_accelerators(size: tuple[int, int]) -> None:
    image = to_tensor(scene(40, 50)[0], "bgr")
    expected = interpolate(image[None], size, mode="bilinear", align_corners=False)[0]
    found = module._resized(image, size)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_inputs_are_left_as_they_were() -> None:
    fg, alpha = scene(40, 50)
    planes, matte = to_tensor(fg, "bgr"), to_tensor(alpha)
    jacobi(planes, planes, matte, kappa=1, iterations=2)
    reestimate(planes, matte)
    np.testing.assert_array_equal(planes.permute(1, 2, 0), fg)
    np.testing.assert_array_equal(matte[0], alpha)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kappa": 0}, r"kappa: must be above 0 and finite, got 0\."),
        ({"kappa": float("nan")}, r"kappa: must be above 0 and finite, got nan\."),
        ({"kappa": float("inf")}, r"kappa: must be above 0 and finite, got inf\."),
        ({"scales": 0}, r"scales: must be from 1 to 16, got 0\."),
        ({"scales": 17}, r"scales: must be from 1 to 16, got 17\."),
        ({"iterations": 0}, r"iterations: must be at least 1, got 0\."),
        ({"init": "image"}, r"init: must be foreground or product, got 'image'\."),
        ({"foreground": np.zeros((4, 5, 3), np.uint8)}, r"foreground: must be float32 or float64"),
        ({"foreground": np.zeros((4, 5))}, r"foreground: must have three channels, got \(1, 4, 5"),
        ({"alpha": np.zeros((5, 4))}, r"alpha: must be .* size \(4, 5\), got \(1, 5, 4\)"),
        ({"alpha": np.zeros((4, 5), np.uint8)}, r"alpha: must be floats .* torch\.uint8"),
        ({"product": np.zeros((4, 4, 3))}, r"product: must be as the foreground"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict, told: str) -> None:
    arguments = {"foreground": np.zeros((4, 5, 3)), "alpha": np.zeros((4, 5)), **changes}
    with pytest.raises(ValueError, match=told):
        reestimate(**arguments)
