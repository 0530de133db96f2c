"""Foregrounds, metrics and trimaps of a crop of a real photograph: hair before leaves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from smoothkit.core.errors import DataError
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.foreground import composite, estimate_foreground
from smoothkit.systems.lsa.metric import matting_conn, matting_grad, matting_mse, matting_sad
from smoothkit.systems.lsa.reestimate import reestimate
from smoothkit.systems.lsa.trimap import (
    checked_trimap,
    looks_inverted,
    make_trimap,
    snapped_alpha,
)
from support import mattes
from support.oracle import Case

CROP = Case("matting", "lemur_crop")


def floats(name: str) -> np.ndarray:
    return CROP[name] / 255


def error(foreground: np.ndarray) -> float:
    """MSE against the crop's foreground where alpha is fractional."""
    is_unknown = (CROP["alpha"] > 0) & (CROP["alpha"] < 255)
    return float(np.square(foreground - floats("foreground"))[is_unknown].mean())


def test_the_foreground_over_its_background_is_the_photograph() -> None:
    found = composite(floats("foreground"), floats("background"), floats("alpha"))
    differences = np.abs(255 * found - CROP["image"])
    assert differences.mean() < 1
    assert np.percentile(differences, 95) < 2


def test_reestimation_comes_closer_and_closest_with_the_true_product() -> None:
    image, alpha = floats("image"), floats("alpha")
    product = np.rint(alpha[..., None] * CROP["foreground"]) / 255
    leaking = error(reestimate(image, alpha))
    exact = error(reestimate(image, alpha, product=product))
    assert leaking < 0.5 * error(image)
    assert exact < 0.2 * leaking


def test_foreground_estimated_by_pymatting_is_far_closer_than_the_photograph() -> None:
    image = floats("image")
    assert error(estimate_foreground(image, floats("alpha"))) < 0.1 * error(image)


def perturbed() -> np.ndarray:
    """Alpha moved, blurred and noisy where the trimap is unknown."""
    alpha, rng = floats("alpha"), np.random.default_rng(0)
    moved = ndimage.gaussian_filter(np.roll(alpha, (1, 2), (0, 1)), 1.5)
    moved += rng.normal(0, 0.05, alpha.shape)
    return np.clip(np.where(CROP["trimap"] == 102, moved, alpha), 0, 1)


@pytest.mark.parametrize("definition", ["common", "lsa"])
def test_metrics_of_real_hair_are_those_of_the_formulas(definition: str) -> None:
    pred, gt = perturbed(), floats("alpha")
    trimap = checked_trimap(CROP["trimap"], "lemur", levels="snap")
    unknown, is_common = trimap == 128, definition == "common"
    where = unknown if is_common else np.ones_like(unknown)
    expected = [
        mattes.sad(pred, gt, where),
        mattes.mse(pred, gt, where, int(unknown.sum())),
        mattes.grad(pred, gt, unknown, 4 if is_common else 3),
        mattes.conn(pred, gt, unknown, passes_over_empty=not is_common),
    ]
    tensors = [to_tensor(image) for image in (pred, gt, trimap / 255)]
    functions = (matting_sad, matting_mse, matting_grad, matting_conn)
    found = [function(*tensors, definition=definition) for function in functions]
    assert min(found) > 0
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_level_102_of_its_trimap_is_refused_or_snapped_to_unknown() -> None:
    trimap = CROP["trimap"]
    with pytest.raises(DataError, match=r"t\.png: must have .* got 102 in 8872 pixels\. Mend it"):
        checked_trimap(trimap, "t.png")
    for stored in (trimap, np.dstack([trimap] * 3 + [np.full_like(trimap, 255)])):
        found = checked_trimap(stored, "t.png", levels="snap")
        np.testing.assert_array_equal(found, np.where(trimap == 102, 128, trimap))
    assert not looks_inverted(found, CROP["alpha"])
    assert looks_inverted(255 - found, CROP["alpha"])


@pytest.mark.parametrize("radii", [(1, 1), (3, 7), (7, 3)])
def test_a_trimap_of_real_hair_reaches_as_far_as_its_radii(radii: tuple[int, int]) -> None:
    alpha = snapped_alpha(CROP["alpha"], 1)
    fractional = (alpha > 0) & (alpha < 255)
    squares = np.rint(ndimage.distance_transform_edt(~fractional) ** 2)
    is_near = squares <= np.square(np.where(alpha == 255, radii[1], radii[0]))
    found = make_trimap(alpha, *radii)
    np.testing.assert_array_equal(found, np.where(is_near, 128, alpha))
    assert set(np.unique(found)) == {0, 128, 255}


def test_solid_hair_stored_as_254_is_known_only_once_it_is_snapped() -> None:
    alpha, solid = CROP["alpha"], CROP["trimap"] == 255
    assert (alpha[solid] == 254).mean() > 0.4
    unknown = [
        (make_trimap(matte, 1, 1) == 128)[solid].mean()
        for matte in (alpha, snapped_alpha(alpha, 1))
    ]
    assert unknown[0] > 0.5
    assert unknown[1] < 0.05
