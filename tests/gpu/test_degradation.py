"""Low-quality images made on the accelerator, with noise from its own generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothkit.core.seeds import random_state
from smoothkit.models.degrade import Degradation, sharpened
from smoothkit.ops.degradation import Draw, Stage, add_noise, blur, compress, draw, resize
from support.gpu import need_basicsr

pytestmark = pytest.mark.gpu

COUNT, SIDE, SCALE = 4, 64, 4
STAGES = [Stage(), Stage()]


@pytest.fixture(autouse=True)
def _basicsr() -> None:
    need_basicsr("degradation")


@pytest.fixture
def images() -> Tensor:
    """Smooth images of the photographs' kind, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(COUNT, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)


def drawn(seed: int = 0) -> Draw:
    return draw(STAGES, COUNT, np.random.default_rng(seed), final_sinc_prob=0.5)


def same(first: dict, second: dict) -> bool:
    """Whether torch's random states are the same."""
    return all(torch.equal(first[k], second[k]) for k in first if k not in ("python", "numpy"))


@pytest.mark.parametrize("seed", range(3))
def test_the_same_draw_gives_the_same_bytes_and_moves_no_generator(
    images: Tensor, device: torch.device, seed: int
) -> None:
    degradation = Degradation(SCALE, SIDE, [{}, {}], 0.5)
    before = random_state(device)
    first, second = (degradation.low_quality(images.to(device), drawn(seed)) for _ in range(2))
    assert same(before, random_state(device))
    assert first.device == device
    assert first.dtype == torch.uint8
    assert first.shape == (COUNT, 3, SIDE // SCALE, SIDE // SCALE)
    assert torch.equal(first, second)
    assert not torch.equal(first, degradation.low_quality(images.to(device), drawn(seed + 9)))


@pytest.mark.parametrize(
    "apply",
    [
        lambda x: blur(x, drawn().stages[0].kernels),
        lambda x: blur(x, drawn().end.kernels),
        lambda x: resize(x, 0.83, "area"),
        lambda x: resize(x, 1.17, "bilinear"),
        lambda x: resize(x, 0.83, "bicubic"),
        sharpened,
    ],
    ids=["blur", "sinc", "area", "bilinear", "bicubic", "sharpen"],
)
def test_what_draws_no_noise_is_that_of_the_cpu(
    apply: Callable[[Tensor], Tensor], images: Tensor, device: torch.device
) -> None:
    found, expected = apply(images.to(device)).cpu(), apply(images)
    # Sums of up to 51 x 51 products in [0, 1] are off by some 50 roundings of float32 at most.
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_compression_is_that_of_the_cpu_but_for_coefficients_between_two_levels(
    images: Tensor, device: torch.device
) -> None:
    quality = torch.tensor([30.0, 60.0, 75.0, 95.0])
    found, expected = compress(images.to(device), quality).cpu(), compress(images, quality)
    # A coefficient halfway between two levels may go up here and down there, with all its block.
    is_other = (found - expected).abs() > 1e-4
    assert is_other.float().mean() < 0.05
    assert (found - expected).abs().mean() < 1e-3


@pytest.mark.parametrize("gaussian_prob", [1.0, 0.0], ids=["gaussian", "poisson"])
def test_noise_has_the_strength_of_the_cpu_s(
    gaussian_prob: float, images: Tensor, device: torch.device
) -> None:
    kind = {"gaussian_noise_prob": gaussian_prob, "noise_range": (20, 20), "gray_noise_prob": 0.0}
    ranges = Stage(**kind, poisson_scale_range=(2.0, 2.0))
    chosen = draw([ranges], COUNT, np.random.default_rng(1)).stages[0]
    grey = images * 0.25 + 0.375  # nothing of the noise is clipped
    spreads = [(add_noise(x, chosen, ranges) - x).std().item() for x in (grey.to(device), grey)]
    # Of 49,152 values: the deviation is known to a third of a percent.
    assert spreads[0] == pytest.approx(spreads[1], rel=0.03)
    if gaussian_prob:
        assert spreads[0] == pytest.approx(20 / 255, rel=0.03)


def test_the_pool_stays_on_the_device_and_goes_on_from_a_checkpoint(
    images: Tensor, device: torch.device
) -> None:
    def batches(degradation: Degradation, numbers: range) -> list[Tensor]:
        return [degradation({"gt": images.roll(n, 0).to(device)})["lq"] for n in numbers]

    whole = Degradation(SCALE, 32, [{}], pool_size=8, seed=3)
    first = batches(whole, range(3))
    state = whole.state_dict()
    rest = batches(whole, range(3, 6))
    resumed = Degradation(SCALE, 32, [{}], pool_size=8, seed=3)
    resumed.load_state_dict(state, device)
    for one, other in zip(rest, batches(resumed, range(3, 6)), strict=True):
        assert torch.equal(one, other)
    assert {lq.device for lq in (*first, *rest)} == {device}
    assert all(lq.min() >= 0 and lq.max() <= 1 for lq in (*first, *rest))
