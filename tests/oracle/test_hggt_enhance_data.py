"""Items, degradation and pool of enhancement against recorded ones."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothkit.data.moves import Move
from smoothkit.models.degrade import Degradation
from smoothkit.models.pair_pool import PairPool
from smoothkit.ops.degradation import (
    Blur,
    Draw,
    Stage,
    StageDraw,
    add_noise,
    blur,
    compress,
    degrade,
    draw_kernel,
    quantise,
    resize,
    resize_to,
)
from support.oracle import Case
from support.recorded import Recorded

GROUP = "hggt_enhance"
DEGRADED = [
    "degrade_down_gaussian",
    "degrade_up_poisson",
    "degrade_down_area_poisson",
    "degrade_keep_gaussian",
]
# A coefficient of the compression on a rounding edge may turn: so many pixels may differ.
TURNED = 0.001


@pytest.mark.parametrize("name", ["dataset_items", "dataset_items_sigma2"])
def test_kernels_are_the_published_ones_under_their_seeds(name: str) -> None:
    case = Case(GROUP, name)
    options = case.meta["opt"]
    ranges = Blur(
        half_size=[options["blur_kernel_size_min"], options["blur_kernel_size_max"] - 1],
        kernel_list=options["kernel_list"],
        kernel_prob=options["kernel_prob"],
        sinc_prob=options["sinc_prob"],
        sinc_border=11,
        sigma=options["blur_sigma"],
    )
    for number, item in enumerate(case.meta["items"]):
        random.seed(item["seed"])
        np.random.seed(item["seed"])
        for _ in ("hflip", "vflip", "transpose"):
            random.random()
        found = draw_kernel(ranges)
        np.testing.assert_allclose(found, case[f"kernel{number}"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["dataset_items", "dataset_items_sigma2"])
def test_images_are_moved_as_recorded(name: str) -> None:
    case = Case(GROUP, name)
    for number, item in enumerate(case.meta["items"]):
        move = Move(
            is_mirrored=item["hflip"], is_flipped=item["vflip"], is_transposed=item["transpose"]
        )
        (moved,) = move([case[f"image{item['index']}_bgr"]])
        np.testing.assert_array_equal(moved.numpy(), case[f"gt{number}_u8"])


def ranges_of(case: Case) -> Stage:
    known = ("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range",
             "poisson_scale_range", "gray_noise_prob", "jpeg_range")  # fmt: skip
    return Stage(**{key: case.meta["opt"][key] for key in known})


def drawn_of(case: Case) -> StageDraw:
    draws = case.meta["draws"]
    return StageDraw(
        kernels=case.tensor("kernel1"),
        factor=draws.get("resize_scale", 1.0),
        mode=draws["mode"],
        is_gaussian=draws["noise"] == "gaussian",
        noise_seed=case.meta["seed"],
        quality=case.tensor("jpeg_quality"),
    )


def share_beyond(found: Tensor, recorded: Tensor, limit: float) -> float:
    return float(((found - recorded).abs() > limit).any(1).float().mean())


@pytest.mark.parametrize("name", DEGRADED)
def test_each_stage_is_the_published_one_after_the_recorded_one_before(name: str) -> None:
    case = Case(GROUP, name)
    drawn, stage = drawn_of(case), case.tensor
    calls = case.meta["draws"]["interpolate_calls"]
    assert [call["mode"] for call in calls] == [drawn.mode, drawn.mode]
    assert calls[0]["scale_factor"] == drawn.factor
    exact = {"rtol": 0, "atol": 1e-5}
    found = blur(stage("gt"), drawn.kernels)
    torch.testing.assert_close(found, stage("s1_blur"), **exact)
    found = resize(stage("s1_blur"), drawn.factor, drawn.mode)
    torch.testing.assert_close(found, stage("s2_resize"), **exact)
    found = add_noise(stage("s2_resize"), drawn, ranges_of(case))
    torch.testing.assert_close(found, stage("s3_noise"), **exact)
    found = compress(stage("s3_noise"), drawn.quality)
    assert share_beyond(found, stage("s4_jpeg"), 1e-4) <= TURNED
    found = resize_to(stage("s4_jpeg"), tuple(calls[1]["size"]), drawn.mode)
    torch.testing.assert_close(found, stage("s5_resize_back"), rtol=0, atol=1e-4)
    torch.testing.assert_close(quantise(stage("s5_resize_back")), stage("s6_lq_full"))


@pytest.mark.parametrize("name", DEGRADED)
def test_recorded_draws_give_the_recorded_pairs(name: str) -> None:
    case = Case(GROUP, name)
    found = degrade(case.tensor("gt"), Draw([drawn_of(case)], None), [ranges_of(case)], 1)
    assert share_beyond(found, case.tensor("s6_lq_full"), 1e-4) <= TURNED

    draws = case.meta["draws"]
    rng = Recorded(integers=[draws["crop_top_lq"], draws["crop_left_lq"]])
    gt_size = case.meta["opt"]["gt_size"]
    lq, gt = case.tensor("s6_lq_full"), case.tensor("gt")
    crops = Degradation(1, gt_size)._cropped(lq, {"gt": gt}, rng)
    assert torch.equal(crops["lq"], case.tensor("s7_lq_crop"))
    assert torch.equal(crops["gt"], case.tensor("s7_gt_crop"))


def test_pairs_come_and_go_as_in_the_published_pool() -> None:
    meta = Case(GROUP, "queue_pool").meta
    rng = Recorded([order for order in meta["permutation"] if order is not None])
    pool = PairPool(meta["queue_size"])
    for numbers, expected in zip(meta["in_lq"], meta["out_lq"], strict=True):
        lq = torch.tensor(numbers).view(-1, 1, 1, 1)
        taken = pool.exchange({"lq": lq, "gt": -lq}, rng)
        assert taken["lq"].flatten().tolist() == expected
        assert torch.equal(taken["gt"], -taken["lq"])
    assert rng.is_used_up()
    held = pool.state_dict()
    assert sorted(held["held"]["lq"].flatten().tolist()) == sorted(meta["final_queue_lq"])
