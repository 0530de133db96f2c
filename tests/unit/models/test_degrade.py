from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothkit.core.errors import DataError, OptionError
from smoothkit.models.degrade import Degradation, sharpened

TWO = [{"noise_range": [1, 8]}, {"blur": {"prob": 0.8}, "resize_range": [0.9, 1.1]}]


def batch(count: int = 2, side: int = 40, **extra) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
    return {"gt": image, **extra}


@pytest.mark.parametrize("stages", [[{}], TWO], ids=["one", "two"])
def test_pairs_show_the_same_place(stages) -> None:
    smooth = torch.linspace(0, 255, 48).byte().expand(2, 3, 48, 48).contiguous()
    quiet = [{**stage, "noise_range": [0, 0], "gaussian_noise_prob": 1} for stage in stages]
    made = Degradation(4, 16, quiet, seed=3)({"gt": smooth})
    assert made["lq"].shape == (2, 3, 4, 4)
    small = torch.nn.functional.avg_pool2d(made["gt"], 4)
    assert (made["lq"] - small).abs().max() < 0.06
    assert made["gt"].shape == (2, 3, 16, 16)
    torch.testing.assert_close((made["lq"] * 255).round(), made["lq"] * 255)


def test_the_same_batches_are_made_again_after_a_restart() -> None:
    first = Degradation(4, 16, TWO, pool_size=4, seed=1)
    for _ in range(3):
        first(batch())
    second = Degradation(4, 16, TWO, pool_size=4, seed=1)
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    for _ in range(3):
        one, other = first(batch()), second(batch())
        assert all(torch.equal(one[name], other[name]) for name in ("lq", "gt"))


def test_seeds_and_batches_draw_anew() -> None:
    degradation = Degradation(4, 40, seed=1)
    images = [degradation(batch())["lq"], degradation(batch())["lq"]]
    images.append(Degradation(4, 40, seed=2)(batch())["lq"])
    assert not any(torch.equal(a, b) for a, b in ((images[0], images[1]), (images[0], images[2])))


def test_nobody_elses_random_numbers_are_touched() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(1), np.random.random()
    torch.manual_seed(0)
    np.random.seed(0)
    Degradation(4, 16, TWO)(batch())
    assert (torch.rand(1), np.random.random()) == expected


def test_the_original_is_degraded_and_all_images_are_cropped_alike() -> None:
    images = batch()["gt"]
    made = Degradation(4, 16)({"gt": 255 - images, "original": images, "negative": images})
    torch.testing.assert_close(made["gt"], 1 - made["original"])
    assert torch.equal(made["negative"], made["original"])


def test_a_sharpened_ground_truth_is_sharpened_whole_then_cropped() -> None:
    image = batch(side=66)["gt"]
    made = Degradation(4, 32, sharpen_gt=True, seed=1)({"gt": image})
    of_sharp = Degradation(4, 32, seed=1)({"gt": sharpened(image / 255)})
    assert torch.equal(made["gt"], of_sharp["gt"])
    assert torch.equal(made["lq"], of_sharp["lq"])
    of_blunt = Degradation(4, 32, seed=1)({"gt": image})
    assert (made["gt"] - sharpened(of_blunt["gt"])).abs().max() > 0.01
    assert (made["lq"] - of_blunt["lq"]).abs().max() > 0.01


def test_sides_that_the_scale_does_not_divide_are_cut() -> None:
    made = Degradation(4, 40)(batch(side=43))
    assert made["lq"].shape == (2, 3, 10, 10)
    torch.testing.assert_close(made["gt"], batch(side=43)["gt"][..., :40, :40] / 255)


def test_a_batch_with_its_own_input_passes() -> None:
    own = {"lq": torch.zeros(1, 3, 4, 4), "gt": torch.zeros(1, 3, 16, 16)}
    assert Degradation(4, 16)(own) == own


def test_votes_travel_with_their_sample() -> None:
    degradation = Degradation(4, 16, pool_size=4)
    for number in range(6):
        level = torch.full((2, 3, 32, 32), number, dtype=torch.uint8)
        made = degradation({"gt": level, "negative_votes": torch.full((2,), number)})
        assert torch.equal((made["gt"][:, 0, 0, 0] * 255).round(), made["negative_votes"].float())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"gt_size": 30}, r"degradation.gt_size: must be a multiple of the scale \(4\), got 30"),
        ({"stages": []}, "degradation.stages: must be one or two, got 0"),
        ({"stages": [{"nois_range": [1, 2]}]}, "stages.0.nois_range: .*Did you mean 'noise_range'"),
        ({"stages": [{"blur": {"sinc": 1}}]}, "stages.0.blur.sinc: "),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        Degradation(4, **options)


def test_images_below_the_crop_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"a.png b.png: images must have sides of degradation.gt_"):
        Degradation(4, 64)(batch(gt_path=["a.png", "b.png"]))
