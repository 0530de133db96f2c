"""The metrics of mattes and the composition of test images against recorded numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothkit.systems.lsa import metric
from smoothkit.systems.lsa.merging import Foreground, covering
from support.oracle import Case

METRICS, COMPOSITE = (Case("matting", name) for name in ("metrics", "composite"))
RECORDED = {
    "sad": ("matting_sad", {"definition": "lsa"}),
    "mse": ("matting_mse", {"definition": "lsa"}),
    "grad": ("matting_grad", {"definition": "lsa"}),
    "conn": ("matting_conn", {"definition": "lsa"}),
    "sad_unknown": ("matting_sad", {}),
    "mse_unknown": ("matting_mse", {}),
    "grad_9x9": ("matting_grad", {}),
    "conn_common": ("matting_conn", {}),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("pair", METRICS.meta["values"])
def test_metrics_of_mattes_match_the_recorded_ones(pair, dtype, tolerance):
    pred, gt = (METRICS.tensor(f"{name}_{pair}")[None].to(dtype) for name in ("pred", "gt"))
    trimap = METRICS.tensor(f"trimap_{pair}")[None].to(dtype) / 255
    recorded = METRICS.meta["values"][pair]
    for name, (function, options) in RECORDED.items():
        found = getattr(metric, function)(pred, gt, trimap, **options)
        assert found == pytest.approx(recorded[name], rel=tolerance, abs=0), name


@pytest.mark.parametrize("index", range(3))
def test_merged_images_match_the_published_ones(index):
    fg, alpha, bg, out = (COMPOSITE[f"{name}{index}"] for name in ("fg", "alpha", "bg", "out"))
    resized = COMPOSITE.arrays.get(f"bg_resized{index}")
    if resized is not None:
        near = covering(bg, *fg.shape[:2]).astype(int) - resized[: fg.shape[0], : fg.shape[1]]
        assert np.abs(near).max() <= 1
        bg = resized
    np.testing.assert_array_equal(Foreground(fg, alpha).over(bg), out)
