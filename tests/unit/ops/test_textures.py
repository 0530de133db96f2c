from __future__ import annotations

import numpy as np
import pytest

from smoothkit.ops.textures import TEXTURES, periodic_tile, to_bytes


@pytest.mark.parametrize("kind", TEXTURES)
@pytest.mark.parametrize("seed", range(3))
def test_drawn_texture_continues_across_its_border(kind: str, seed: int) -> None:
    tile = TEXTURES[kind](np.random.default_rng(seed))
    assert 96 <= min(tile.shape) <= max(tile.shape) <= 192
    for axis in (0, 1):
        steps = np.abs(np.diff(tile, axis=axis, append=tile.take([0], axis))).mean(1 - axis)
        assert steps[-1] <= steps[:-1].max()


@pytest.mark.parametrize("kind", TEXTURES)
def test_same_generator_gives_the_same_texture(kind: str) -> None:
    first, again, other = (TEXTURES[kind](np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or np.abs(first - other).max() > 0.1


def test_fading_makes_a_ramp_periodic_and_keeps_its_middle() -> None:
    ramp = np.tile(np.arange(40.0), (40, 1))
    tile = periodic_tile(ramp, overlap=8)
    assert tile.shape == (32, 32)
    assert np.abs(tile[:, 0] - tile[:, -1]).max() < 0.3 * (31 - 0)
    np.testing.assert_allclose(tile[8:, 8:], ramp[8:32, 8:32] - ramp.mean())


def test_bytes_have_the_contrast_asked_for() -> None:
    tile = to_bytes(np.random.default_rng(0).standard_normal((64, 64)), contrast=0.1)
    assert tile.std() == pytest.approx(25.5, abs=0.2)
    assert tile.mean() == pytest.approx(128, abs=0.5)


def test_flat_tile_becomes_mid_grey() -> None:
    assert np.unique(to_bytes(np.full((4, 4), 3.0), contrast=0.1)).tolist() == [128]
