"""Re-estimated foregrounds against the reference."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.prepare import reestimate_foregrounds
from smoothkit.systems.lsa.reestimate import jacobi, reestimate
from support.oracle import Case

CASE = Case("matting", "reestimate")
STEPS = [key for key in CASE.arrays if re.fullmatch(r"it_k.*_n\d+", key)]
SIZES = range(len(CASE.meta["sizes"]))
# The tolerances of the fixture, which are told in words there.
STEPS_FLOAT64, STEPS_FLOAT32, FULL = 1e-12, 1e-6, 2e-5


def floats(key: str, dtype: type = np.float64) -> np.ndarray:
    return (CASE[key] / 255).astype(dtype)


@pytest.mark.parametrize("key", STEPS)
@pytest.mark.parametrize(
    ("dtype", "limit"), [(np.float64, STEPS_FLOAT64), (np.float32, STEPS_FLOAT32)]
)
def test_steps_at_one_scale_match_the_reference(key: str, dtype: type, limit: float) -> None:
    kappa, count = re.fullmatch(r"it_k(.*)_n(\d+)", key).groups()
    alpha, fg, start = (
        to_tensor(floats(name, dtype), "bgr") for name in ("it_alpha", "it_fg", "it_init")
    )
    found = jacobi(start, alpha * fg, alpha, kappa=float(kappa), iterations=int(count))
    expected = torch.from_numpy(CASE[key]).permute(2, 0, 1).to(found)
    torch.testing.assert_close(found, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_whole_procedure_matches_the_reference(number: int, dtype: type) -> None:
    found = reestimate(floats(f"fg{number}", dtype), floats(f"alpha{number}", dtype))
    np.testing.assert_allclose(found, CASE[f"float{number}"], rtol=0, atol=FULL)


@pytest.mark.parametrize("number", SIZES)
def test_coarsest_scale_matches_the_reference(number: int) -> None:
    # One scale of a small image is the coarsest one of the large image, but for the resizing.
    import cv2

    fg, alpha = floats(f"fg{number}"), floats(f"alpha{number}")
    expected = CASE[f"coarsest{number}"]
    size = expected.shape[1::-1]
    small, product, matte = (
        cv2.resize(image, size) for image in (fg, fg * alpha[..., None], alpha)
    )
    small, product = (image.reshape(expected.shape) for image in (small, product))
    found = reestimate(
        small, matte.reshape(expected.shape[:2]), scales=1, iterations=640, product=product
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=FULL)


def assert_levels_match(found: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.01


def test_quarter_variant_matches_the_reference(tmp_path: Path) -> None:
    write_image(tmp_path / "fg" / "0.png", CASE["fg0"])
    write_image(tmp_path / "alpha" / "0.png", CASE["alpha0"])
    folders = (tmp_path / name for name in ("fg", "alpha", "out"))
    list(reestimate_foregrounds(*folders, kappa=0.25, truncate=True))
    assert_levels_match(read_image(tmp_path / "out" / "0.png"), CASE["variant_quarter_out0"])


def test_folder_matches_the_reference(tmp_path: Path) -> None:
    for number in SIZES:
        write_image(tmp_path / "fg" / f"{number}.png", CASE[f"fg{number}"])
        write_image(tmp_path / "alpha" / f"{number}.png", CASE[f"alpha{number}"])
    folders = (tmp_path / name for name in ("fg", "alpha", "out"))
    written = list(reestimate_foregrounds(*folders, truncate=True, device="cpu"))
    assert [path.name for path in written] == [f"{number}.png" for number in SIZES]
    for number, path in enumerate(written):
        assert_levels_match(read_image(path), CASE[f"out{number}"])
