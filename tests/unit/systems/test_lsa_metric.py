"""The metrics of alpha mattes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from smoothkit.core.options import read_options
from smoothkit.engine.check import check
from smoothkit.metrics import calculate_metric, image_parameters
from smoothkit.metrics.base import metric
from smoothkit.systems.lsa.connectivity import joined_thresholds
from smoothkit.systems.lsa.metric import matting_conn, matting_grad, matting_mse, matting_sad
from support import mattes

ALL = (matting_sad, matting_mse, matting_grad, matting_conn)


def tensors(*planes: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(p / 255 if p.dtype == np.uint8 else p)[None] for p in planes]


def unknown(height: int, width: int) -> torch.Tensor:
    return torch.full((1, height, width), 128 / 255)


@pytest.mark.parametrize("seed", range(4))
def test_metrics_agree_with_a_straight_implementation(seed):
    pred, gt, trimap = mattes.furry(seed)
    where, whole = trimap == 128, np.ones(trimap.shape, bool)
    count = int(where.sum())
    expected = {
        "common": [mattes.sad(pred, gt, where), mattes.mse(pred, gt, where, count),
                   mattes.grad(pred, gt, where, 4), mattes.conn(pred, gt, where)],
        "lsa": [mattes.sad(pred, gt, whole), mattes.mse(pred, gt, whole, count),
                mattes.grad(pred, gt, where, 3),
                mattes.conn(pred, gt, where, passes_over_empty=True)],
    }  # fmt: skip
    for definition, values in expected.items():
        found = [function(*tensors(pred, gt, trimap), definition=definition) for function in ALL]
        assert found == pytest.approx(values, rel=1e-10)


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Small mattes of one of several kinds: noise, ties, empty levels, islands."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 14, 2)
    kind = seed % 4
    if kind == 0:
        return rng.random(size), rng.random(size)
    if kind == 1:
        return rng.integers(0, 11, size) / 10, rng.integers(0, 11, size) / 10
    if kind == 2:
        return rng.integers(0, 256, size) / 255 * 0.3, np.ones(size)
    return (rng.random(size) > 0.4).astype(float), rng.integers(140, 256, size) / 255


@pytest.mark.parametrize("passes_over_empty", [False, True])
def test_joined_thresholds_are_those_of_the_straight_loop(passes_over_empty):
    for seed in range(400):
        pred, gt = random_pair(seed)
        found = joined_thresholds(
            pred, gt, np.ones(pred.shape, bool), is_empty_joined=passes_over_empty
        )
        expected = mattes.joined(pred, gt, passes_over_empty=passes_over_empty)
        np.testing.assert_array_equal(found, expected.ravel(), err_msg=str(seed))


def test_the_first_of_equally_large_components_is_the_object():
    matte = torch.tensor([[[1.0, 1, 0, 1, 1]]])
    pred = matte.clone()
    pred[0, 0, :2] = torch.tensor([0.9, 1.0])
    # At 1 the object is the right pair: the left one, joined up to 0.9, is off by 0.1 only.
    assert joined_thresholds(pred[0].numpy(), matte[0].numpy(), np.ones((1, 5), bool)) == (
        pytest.approx([0.9, 0.9, 0, 0, 0])
    )


@pytest.mark.parametrize("function", ALL)
def test_bytes_measure_alike_in_either_precision(function):
    rng = np.random.default_rng(0)
    pred, gt = rng.integers(150, 157, (2, 1, 40, 40)) / 255
    double = [torch.from_numpy(image) for image in (pred, gt)]
    single = [image.float() for image in double]
    found = [function(*images, unknown(40, 40)) for images in (double, single)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_threshold_that_no_pixel_reaches_is_where_connectivity_differs():
    gt, pred = torch.ones(1, 2, 5), torch.full((1, 2, 5), 0.5)
    # Joined up to 0.5: gaps of 0.5 and 0 for ten pixels; passed over, all are joined up to 1.
    assert matting_conn(pred, gt, unknown(2, 5)) == pytest.approx(0.005)
    assert matting_conn(pred, gt, unknown(2, 5), definition="lsa") == 0


def test_the_region_says_where_differences_count():
    gt, pred, trimap = torch.zeros(1, 2, 2), torch.full((1, 2, 2), 0.5), unknown(2, 2)
    trimap[0, 0] = 0
    assert matting_sad(pred, gt, trimap) == pytest.approx(0.001)
    assert matting_sad(pred, gt, trimap, region="whole") == pytest.approx(0.002)
    assert matting_sad(pred, gt, trimap, definition="lsa") == pytest.approx(0.002)
    assert matting_sad(pred, gt, trimap, definition="lsa", region="unknown") == pytest.approx(1e-3)
    assert matting_mse(pred, gt, trimap) == pytest.approx(0.25)
    assert matting_mse(pred, gt, trimap, definition="lsa") == pytest.approx(0.5)


@pytest.mark.parametrize("function", ALL)
def test_without_unknown_pixels_there_is_nothing_to_measure(function):
    gt, pred, trimap = torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.full((1, 4, 4), 129 / 255)
    with pytest.raises(ValueError, match="trimap: has no unknown pixel"):
        function(pred, gt, trimap)


def test_the_whole_image_is_measured_without_unknown_pixels_too():
    gt, pred, trimap = torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.zeros(1, 4, 4)
    assert matting_sad(pred, gt, trimap, definition="lsa") == pytest.approx(16 / 1000)
    assert matting_sad(pred, gt, trimap, region="whole") == pytest.approx(16 / 1000)


@pytest.mark.parametrize("function", ALL)
def test_what_cannot_be_measured_is_refused(function):
    image, trimap = torch.rand(1, 4, 5), unknown(4, 5)
    for value in (math.nan, math.inf):
        broken = image.clone()
        broken[0, 0, 0] = value
        with pytest.raises(ValueError, match="pred: has values that are not finite"):
            function(broken, image, trimap)
    with pytest.raises(ValueError, match=r"pred: must be \(1, H, W\) of the size of gt, got \(3,"):
        function(image.expand(3, -1, -1), image, trimap)
    with pytest.raises(ValueError, match="trimap: must be floating point"):
        function(image, image, trimap.byte())
    with pytest.raises(ValueError, match="definition: must be 'common' or 'lsa', got 'adobe'"):
        function(image, image, trimap, definition="adobe")
    with pytest.raises(ValueError, match="region: must be 'unknown' or 'whole', got 'all'"):
        function(image, image, trimap, region="all")


def test_a_metric_gets_the_further_images_that_it_names():
    pred, gt, trimap = mattes.furry()
    images = dict(zip(("img", "img2", "trimap"), tensors(pred, gt, trimap), strict=True))
    found = calculate_metric(images, {"type": "matting_sad", "definition": "lsa"})
    assert found == pytest.approx(mattes.sad(pred, gt, np.ones(pred.shape, bool)), rel=1e-6)
    planes = {
        key: np.rint(image[0].numpy() * 255).astype(np.uint8) for key, image in images.items()
    }
    assert calculate_metric(planes, {"type": "matting_sad"}) == pytest.approx(found, rel=0.1)
    del images["trimap"]
    with pytest.raises(ValueError, match="matting_sad: needs the image 'trimap', which is not"):
        calculate_metric(images, {"type": "matting_sad"})


def test_an_option_without_a_default_is_no_image():
    @metric(better="lower", limits=(0, 1))
    def bordered(pred: torch.Tensor, gt: torch.Tensor, border: int) -> float:
        return 0.0

    assert image_parameters(bordered) == ["pred", "gt"]
    assert image_parameters(matting_conn) == ["pred", "gt", "trimap"]


def test_the_trimap_is_no_option_of_an_option_file(tiny):
    metrics = {"sad": {"type": "matting_sad", "definition": "lsa", "region": "whole"}}
    assert not check(read_options(tiny(val={"metrics": metrics}))).faults
    metrics = {"sad": {"type": "matting_sad", "trimap": "x.png", "definition": "adobe"}}
    first, second = check(read_options(tiny(val={"metrics": metrics}))).faults
    assert first.where == "val.metrics.sad.trimap"
    assert "Allowed: better, definition, region" in first.message
    assert second.message == "must be one of 'common', 'lsa', got 'adobe'."
