"""Classical filters against the MATLAB sources (run under GNU Octave) and OpenCV."""

from __future__ import annotations

import numpy as np
import pytest

from smoothkit.ops import filters
from smoothkit.ops.filters._cielab import to_lab
from support.oracle import Case

CASE = Case("smoothing", "ops_classic")
COLOR, GREY = CASE["img"] / 255.0, CASE["gray"] / 255.0
BGR = np.ascontiguousarray(CASE["img"][..., ::-1])
PARAMS = CASE.meta["params"]
RTV_NAMES = ("lam", "sigma", "sharpness", "iterations")
ROLLING = dict(zip(("sigma_s", "sigma_r", "iterations", "precision"), PARAMS["rgf"], strict=True))
SD = dict(zip(("lam", "mu", "nu", "iterations"), PARAMS["sdf"], strict=True))
WELSCH = dict(zip(("lam", "gamma", "iterations"), PARAMS["ilsw"], strict=True))
CHARBONNIER = dict(zip(("lam", "p", "eps", "iterations"), PARAMS["ilsn"], strict=True))
FLOAT_FILTERS = {
    "l0_a": (filters.l0, COLOR, {"lam": PARAMS["l0a"]}),
    "l0_b": (filters.l0, COLOR, {"lam": PARAMS["l0b"]}),
    "l0_gray": (filters.l0, GREY, {"lam": PARAMS["l0b"], "kappa": 1.5}),
    "rtv_default": (filters.rtv, COLOR, {}),
    "rtv_a": (filters.rtv, COLOR, dict(zip(RTV_NAMES, PARAMS["rtva"], strict=False))),
    "rtv_b": (filters.rtv, COLOR, dict(zip(RTV_NAMES, PARAMS["rtvb"], strict=True))),
    "rgf_default": (filters.rolling_guidance, COLOR, {}),
    "rgf": (filters.rolling_guidance, COLOR, ROLLING),
    "sdf": (filters.sd, COLOR, SD),
    "sdf_1step": (filters.sd, COLOR, {**SD, "iterations": 1}),
    "sdf_gray4": (filters.sd, GREY, {**SD, "iterations": 3, "neighbours": 4}),
    "wls": (filters.wls, COLOR, dict(zip(("lam", "mu"), PARAMS["wls"], strict=True))),
    "ils_welsch": (filters.ils_welsch, COLOR, WELSCH),
    "ils_lnorm": (filters.ils, COLOR, CHARBONNIER),
}


def opencv_settings(key: str) -> dict[str, float]:
    names = {"sigmaColor": "sigma_color", "sigmaSpace": "sigma_space", "numOfIter": "iterations"}
    return {names.get(name, name): value for name, value in CASE.meta[key].items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("key", FLOAT_FILTERS)
def test_filter_matches_matlab(key: str, dtype: type) -> None:
    function, image, settings = FLOAT_FILTERS[key]
    CASE.close(function(image.astype(dtype), **settings), key)


def test_lab_matches_the_tool() -> None:
    CASE.close(np.moveaxis(to_lab(np.moveaxis(COLOR, 2, 0)), 0, 2), "lab")


def test_bilateral_matches_opencv_in_float() -> None:
    settings = opencv_settings("bilateral")
    settings["sigma_color"] /= 255
    CASE.close(filters.bilateral(BGR / np.float32(255), **settings), "bilateral_f32")


@pytest.mark.parametrize(
    ("function", "settings", "key"),
    [
        (filters.bilateral_opencv, "bilateral", "bilateral_bgr"),
        (filters.rolling_guidance_opencv, "rolling_guidance_opencv", "rgf_opencv_bgr"),
    ],
)
def test_8_bit_filter_matches_opencv(function, settings: str, key: str) -> None:
    result = function(BGR, **opencv_settings(settings))
    np.testing.assert_allclose(result.astype(int), CASE[key], atol=CASE.meta["atol_uint8"])
    np.testing.assert_array_equal(result, function(BGR))  # these settings are the defaults
