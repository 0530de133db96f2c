"""Every stage of the published degradations, from the recorded stage before it."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.ops.degradation import (
    Blur,
    Stage,
    StageDraw,
    add_noise,
    blur,
    compress,
    draw_kernel,
    draw_sinc,
    quantise,
    resize,
    resize_to,
)
from support.oracle import Case

GROUP = "hggt_posneg_sr"
CASES = ["feed_ours_posneggt", "feed_ldl", "feed_realesrgan", "feed_realesrgan_posgt"]
EXACT, JPEG = 2e-5, 2e-3


def quality(factors: list[float]) -> Tensor:
    """What gives the recorded factors of the tables."""
    return (200 - 100 * torch.tensor(factors)) / 2


def stages(case: Case) -> list[tuple[dict, Tensor]]:
    return [(s, case.tensor(s["stage"])) for s in case.meta["stages"] if s["stage"] != "crop"]


@pytest.mark.parametrize("name", CASES)
def test_blur_resize_and_compression_are_the_published_ones(name: str) -> None:
    case = Case(GROUP, name)
    recorded = stages(case)
    checked = []
    for (previous, before), (stage, after) in pairwise(recorded):
        kind = stage["stage"].partition("_")[2]
        if kind == "resize":
            found = (
                resize(before, stage["scale_factor"], stage["mode"])
                if stage["scale_factor"] is not None
                else resize_to(before, tuple(stage["size"]), stage["mode"])
            )
        elif kind == "jpeg":
            found = compress(before, quality(stage["quality"]))
        elif kind == "blur":
            is_end = previous["stage"].endswith("resize")
            found = blur(before, case.tensor("in/sinc_kernel" if is_end else "in/kernel2"))
        elif kind == "lq_full":
            found = quantise(before)
        else:
            continue
        limit = JPEG if kind == "jpeg" else EXACT
        torch.testing.assert_close(found, after, rtol=0, atol=limit, msg=stage["stage"])
        checked.append(kind)
    assert {"resize", "jpeg", "lq_full"} <= set(checked)


@pytest.mark.parametrize("name", CASES)
def test_the_first_blur_is_the_published_one(name: str) -> None:
    case = Case(GROUP, name)
    if "in/gt" in case.arrays:
        sharpen = basicsr_part("utils.img_process_util", "USMSharp")()
        images = sharpen(case.tensor("in/gt").float() / 255)
    else:
        images = case.tensor("in/img_list")[:, 0].float() / 255
    torch.testing.assert_close(
        blur(images, case.tensor("in/kernel1")), case.tensor("00_blur"), rtol=0, atol=EXACT
    )


@pytest.mark.parametrize("name", CASES)
def test_noise_is_the_published_one_under_its_seed(name: str) -> None:
    case = Case(GROUP, name)
    options = case.meta["degradation"]
    names = ("gaussian_noise_prob", "noise_range", "poisson_scale_range", "gray_noise_prob")
    ranges = Stage(**{key: options[key] for key in names})
    recorded = stages(case)
    (before, stage, after) = (recorded[1][1], recorded[2][0], recorded[2][1])
    drawn = StageDraw(None, 1.0, "area", "gaussian" in stage["stage"], case.meta["seed"],
                      torch.zeros(len(before)))  # fmt: skip
    state = torch.get_rng_state()
    torch.testing.assert_close(add_noise(before, drawn, ranges), after, rtol=0, atol=EXACT)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["posneg", "pos", "ori", "twostage"])
def test_kernels_are_the_published_ones_under_their_seeds(kind: str) -> None:
    case = Case(GROUP, "labels_datasets")
    options = case.meta["options_twostage" if kind == "twostage" else "options"]

    def ranges(suffix: str = "") -> Blur:
        return Blur(
            half_size=[options[f"blur_kernel_size_{end}{suffix}"] for end in ("min", "max")],
            kernel_list=options[f"kernel_list{suffix}"],
            kernel_prob=options[f"kernel_prob{suffix}"],
            sinc_prob=options[f"sinc_prob{suffix}"],
            sigma=options[f"blur_sigma{suffix}"],
            betag_range=options[f"betag_range{suffix}"],
            betap_range=options[f"betap_range{suffix}"],
        )

    for number, item in enumerate(case.meta["items"][kind]):
        random.seed(item["seed"])
        np.random.seed(item["seed"])
        random.random()  # the flip
        assert close(draw_kernel(ranges()), case[f"{kind}/{number}/kernel1"])
        if kind == "twostage":
            assert close(draw_kernel(ranges("2")), case[f"{kind}/{number}/kernel2"])
            sinc = draw_sinc(ranges("2"), options["final_sinc_prob"])
            assert close(sinc, case[f"{kind}/{number}/sinc_kernel"])


def close(kernel: np.ndarray, recorded: np.ndarray) -> bool:
    """Equal but for the zeros around the smaller one."""
    margin = (len(recorded) - len(kernel)) // 2
    return np.allclose(np.pad(kernel, margin), recorded, atol=1e-6)
