from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.core.parallel import in_threads
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.lsa.foreground import (
    checkerboard,
    composite,
    estimate_foreground,
    with_alpha,
)


def photograph() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Foreground, soft alpha, and the one before a white background, float32."""
    rows, columns = np.mgrid[:60, :80].astype(np.float32) / 80
    true = np.stack([rows, columns, 1 - rows], axis=2) * 0.6
    alpha = np.clip((0.35 - np.hypot(rows - 0.4, columns - 0.5)) / 0.15, 0, 1)
    return true, alpha, composite(true, np.ones_like(true), alpha)


def test_estimated_foreground_is_closer_to_the_true_one_than_the_photograph() -> None:
    true, alpha, image = photograph()
    found = estimate_foreground(image, alpha)
    is_unknown = (alpha > 0) & (alpha < 1)
    errors = [np.square(x - true)[is_unknown].mean() for x in (image, found)]
    assert found.dtype == np.float32
    assert errors[1] < 0.05 * errors[0]
    np.testing.assert_allclose(found[alpha == 1], image[alpha == 1], atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_smallest_images_have_a_foreground(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 0.5)
    found = estimate_foreground(image, np.ones(size))
    np.testing.assert_allclose(found, image, atol=1e-4)


def test_several_threads_may_estimate_at_once() -> None:
    _, alpha, image = photograph()
    alone = estimate_foreground(image, alpha)
    for found in in_threads(lambda _: estimate_foreground(image, alpha), range(8), 4):
        np.testing.assert_array_equal(found, alone)


def test_missing_pymatting_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatting.foreground.estimate_foreground_ml", None)
    _, alpha, image = photograph()
    with pytest.raises(DataError, match=r"pip install 'smoothkit\[matting\]'"):
        estimate_foreground(image, alpha)


def test_nothing_heavy_is_imported_before_it_is_needed(run_python) -> None:
    code = (
        "import sys, smoothkit.systems.lsa.prepare\n"
        "print([m for m in ('pymatting', 'numba', 'basicsr') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"


def test_composite_weighs_foreground_and_background_by_alpha() -> None:
    foreground = np.full((1, 3, 3), (0.2, 0.4, 1.0))
    background = np.full((1, 3, 3), (0.6, 0.0, 0.5))
    found = composite(foreground, background, np.array([[0.0, 0.25, 1.0]]))
    np.testing.assert_allclose(found[0], [(0.6, 0, 0.5), (0.5, 0.1, 0.625), (0.2, 0.4, 1)])


def test_squares_of_a_checkerboard_alternate_and_are_cut_at_the_edge() -> None:
    board = checkerboard(3, 5, side=2, levels=(1.0, 0.25))
    assert board.shape == (3, 5, 3)
    rows = [[1, 1, 0.25, 0.25, 1], [1, 1, 0.25, 0.25, 1], [0.25, 0.25, 1, 1, 0.25]]
    for channel in range(3):
        np.testing.assert_array_equal(board[..., channel], rows)


@pytest.mark.parametrize(("depth", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_foreground_with_alpha_comes_back_from_a_png(tmp_path: Path, depth, dtype) -> None:
    foreground = np.array([[[0.0, 0.2, 1.0], [1.2, -0.1, 0.4]]])
    levels = with_alpha(foreground, np.array([[0.6, 1.0]]), depth=depth)
    write_image(tmp_path / "a.png", levels)
    found = read_image(tmp_path / "a.png", mode="whole")
    fifths = np.array([[(0, 1, 5, 3), (5, 0, 2, 5)]])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, fifths * (np.iinfo(dtype).max // 5))


def test_other_sizes_are_refused() -> None:
    image, alpha = np.zeros((4, 5, 3)), np.zeros((5, 4))
    with pytest.raises(ValueError, match=r"background: must be .* got \(3, 5, 3\) and \(4, 5\)"):
        composite(image, image[1:], alpha.T)
    with pytest.raises(ValueError, match="foreground: must be"):
        with_alpha(image, alpha)
    with pytest.raises(ValueError, match="image: must be"):
        estimate_foreground(image, alpha)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "call", ["foreground.estimate_foreground(image, alpha)", "classical.knn(image, trimap)"]
)
def test_pymatting_leaves_torch_its_threads(run_python, threads, call):
    # In a process of its own: importing numba is what changes them first.
    code = (
        "import numpy as np, torch\n"
        "from smoothkit.systems.lsa import classical, foreground\n"
        f"torch.set_num_threads({threads})\n"
        "image, alpha = np.random.rand(20, 30, 3), np.zeros((20, 30))\n"
        "alpha[:10] = 1\n"
        "trimap = alpha.copy()\n"
        "trimap[8:12] = 0.5\n"
        f"{call}\n"
        f"assert torch.get_num_threads() == {threads}, torch.get_num_threads()\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
