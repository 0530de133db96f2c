"""Trained networks on whole images: precision, tiles, and tiles that memory does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.models.memory import budget, bytes_per_pixel
from smoothkit.models.restorer import Restorer, RestorerSettings

pytestmark = pytest.mark.gpu

# Of what the whole image takes, so much is there in the test of lacking memory.
SHARE = 0.8


def network(dim: int = 64) -> nn.Module:
    """A JESS-Net of one block whose results are in the range of images."""
    torch.manual_seed(0)
    return build_network({"type": "JESSNet", "dim": dim, "num_block": 1}).eval()


def photograph(height: int, width: int) -> np.ndarray:
    """(height, width, 3) float32 in [0, 1]."""
    return np.random.default_rng(0).random((height, width, 3), np.float32)


@pytest.mark.parametrize(
    ("dtype", "share"), [(torch.float32, 1e-4), (torch.bfloat16, 0.05), (torch.float16, 0.01)]
)
def test_an_image_is_restored_as_on_the_cpu(
    dtype: torch.dtype, share: float, device: torch.device
) -> None:
    image = photograph(61, 83)
    expected = Restorer(network(16))(image)
    found = Restorer(network(16), device, RestorerSettings(dtype=dtype))(image)
    # Half precision keeps 8 or 11 bits of the numbers in each of some 60 maps, float32 24.
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * np.abs(expected).max())


def test_tiles_give_the_whole_image(device: torch.device) -> None:
    image = photograph(200, 170)
    whole = Restorer(network(16), device)(image)
    tiled = Restorer(network(16), device, RestorerSettings(tile_size=96))(image)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)


@pytest.fixture
def large(device: torch.device) -> tuple[int, int]:
    """Channels of a network and side of an image that take some memory on the device."""
    return (64, 512) if device.type == "cuda" else (8, 300)


@pytest.fixture
def starved(
    large: tuple[int, int], device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Restorer]:
    """A network on a device that has memory for a part of the image only."""
    dim, side = large
    restorer = Restorer(network(dim), device)
    restorer(photograph(32, 32))  # with what libraries keep for themselves
    if device.type == "cuda":
        needed = bytes_per_pixel(restorer._forward, restorer._probe) * side**2
        with _memory_of(SHARE * needed, device):
            yield restorer
        return
    forward = restorer._forward

    def failing(window: Tensor) -> Tensor:
        if window[0, 0].numel() > SHARE * side**2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(window)

    monkeypatch.setattr(restorer, "_forward", failing)
    yield restorer


@contextmanager
def _memory_of(size: float, device: torch.device) -> Iterator[None]:
    """CUDA lets this process have ``size`` bytes beside what it holds."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    allowed = torch.cuda.memory_reserved(device) + size
    torch.cuda.set_per_process_memory_fraction(allowed / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()


def test_what_memory_does_not_hold_is_cut_into_tiles(
    starved: Restorer, large: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    dim, side = large
    image = photograph(side, side)
    found = starved(image)
    assert f"out of memory with tiles of {side} pixels; going on with" in caplog.text
    np.testing.assert_allclose(found, Restorer(network(dim))(image), rtol=0, atol=1e-4)


def test_what_torch_keeps_for_later_counts_as_free(device: torch.device) -> None:
    if device.type != "cuda":
        pytest.skip("memory is kept on CUDA only")
    torch.cuda.empty_cache()
    before = budget(device)
    torch.empty(2**30, dtype=torch.uint8, device=device)  # gone at once, and kept
    assert torch.cuda.memory_reserved(device) >= 2**30
    assert budget(device) == pytest.approx(before, rel=0.01)
