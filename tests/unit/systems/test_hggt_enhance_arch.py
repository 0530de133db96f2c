"""The networks of enhancement: frozen shifts, sizes, and what weights tell of their network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from smoothkit.archs import build_network
from smoothkit.core.errors import OptionError
from smoothkit.models import build_model
from smoothkit.models.infer import infer_network
from support.fill import fill

ELAN = {"type": "ELAN", "m_elan": 2, "c_elan": 12, "window_sizes": [2, 4, 8]}
RCAN = {"type": "RCANNOUP", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_group": 2,
        "num_block": 3, "squeeze_factor": 4}  # fmt: skip
DISCRIMINATOR = {"type": "RealESRGANUNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}


def shift_of(net: torch.nn.Module) -> Tensor:
    return net.body[0].modules_lfe["lfe_0"].conv0.shift_conv.weight


@torch.no_grad()
def test_shifts_move_a_fifth_of_the_channels_each_way_and_keep_the_rest() -> None:
    net = build_network(ELAN)  # of 12 channels, two move each way and four stay
    image = torch.arange(12.0).reshape(1, 1, 3, 4).repeat(1, 12, 1, 1)
    moved = torch.nn.functional.conv2d(image, shift_of(net), padding=1, groups=12)[0]
    still = image[0, 0]
    blank = torch.zeros(3, 1), torch.zeros(1, 4)
    left = torch.cat([still[:, 1:], blank[0]], 1)
    right = torch.cat([blank[0], still[:, :-1]], 1)
    up = torch.cat([still[1:], blank[1]], 0)
    down = torch.cat([blank[1], still[:-1]], 0)
    expected = [left, left, right, right, up, up, down, down, *[still] * 4]
    assert torch.equal(moved, torch.stack(expected))


def trained(steps: int, start: dict[str, Tensor] | None = None) -> Any:
    train = {
        "optim_g": {"type": "SGD", "lr": 0.1, "weight_decay": 0.1},
        "ema_decay": 0.5,
        "pixel_opt": {"type": "L1Loss"},
    }
    torch.manual_seed(0)
    model = build_model({"num_gpu": 0, "network_g": ELAN, "train": train})
    if start is not None:
        model.net.load_state_dict(start)
    for step in range(steps):
        model.feed_data({"lq": torch.rand(2, 3, 8, 8), "gt": torch.rand(2, 3, 8, 8)})
        model.optimize_parameters(step + 1)
    return model


def test_shifts_come_from_the_weights_and_no_optimiser_trains_them() -> None:
    start = fill(build_network(ELAN).state_dict())
    model = trained(2, start)
    for name, value in model.net.state_dict().items():
        changed = not torch.equal(value, start[name])
        assert changed != name.endswith("shift_conv.weight"), name
    (group,) = model.updater.trainees[0].optimizer.param_groups
    assert len(group["params"]) == sum("shift_conv.weight" not in k for k, _ in
                                       model.net.named_parameters())  # fmt: skip


def test_norms_folded_into_convolutions_give_what_they_give_by_themselves() -> None:
    net = build_network(ELAN).double()
    net.load_state_dict(fill(net.state_dict()))
    image = torch.rand(1, 3, 16, 24, dtype=torch.float64)
    found = net.eval()(image)
    net.train()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()  # running statistics, in modules of their own
    torch.testing.assert_close(found, net(image))


@pytest.mark.parametrize(("windows", "least"), [([2, 4, 8], 5), ([4, 8, 16], 9), ([3, 5, 5], 8)])
def test_a_side_that_cannot_be_mirrored_is_refused(windows: list[int], least: int) -> None:
    net = build_network({**ELAN, "window_sizes": windows}).eval()
    assert net.io.refuses_below == least
    assert net(torch.rand(1, 3, least, least + 7)).shape == (1, 3, least, least + 7)
    for size in ((least - 1, 40), (40, least - 1)):
        told = f"sides must be {least} or more, got {size[0]}x{size[1]}."
        with pytest.raises(ValueError, match=told):
            net(torch.rand(1, 3, *size))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({**ELAN, "window_sizes": [4, 8]}, r"window_sizes: must be three or more, got \[4, 8\]"),
        ({**ELAN, "c_elan": 10}, "c_elan: must be a multiple of 3, got 10"),
        ({**ELAN, "n_share": 2}, "m_elan: must be at least 1 \\+ n_share, got 2 and 2"),
        ({**ELAN, "rgb_mean": [0.5]}, r"rgb_mean: must be 3 numbers \(colors\), got 1"),
        ({**RCAN, "squeeze_factor": 9}, r"squeeze_factor: must be 1 to num_feat \(8\), got 9"),
        ({"type": "RCANNOUP"}, "RCANNOUP needs 'num_in_ch', which is missing"),
    ],
)
def test_options_that_cannot_be_built_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        build_network(options)


def test_the_discriminator_refuses_sides_that_its_skips_do_not_fit() -> None:
    net = build_network(DISCRIMINATOR)
    assert net(torch.rand(1, 3, 16, 24)).shape == (1, 1, 16, 24)
    with pytest.raises(ValueError, match=r"sides must be multiples of 8, got 16x20\."):
        net(torch.rand(1, 3, 16, 20))
    build_network({**DISCRIMINATOR, "skip_connection": False})(torch.rand(1, 3, 16, 20))


def test_a_training_whose_crops_do_not_fit_the_discriminator_says_so() -> None:
    optimizer = {"type": "SGD", "lr": 0.1}
    train = {"optim_g": optimizer, "optim_d": optimizer, "gan_opt": {"type": "GANLoss",
             "gan_type": "vanilla", "loss_weight": 0.1}}  # fmt: skip
    model = build_model(
        {"num_gpu": 0, "network_g": RCAN, "network_d": DISCRIMINATOR, "train": train}
    )
    model.feed_data({"lq": torch.rand(1, 3, 12, 12), "gt": torch.rand(1, 3, 12, 12)})
    told = "network_d: RealESRGANUNetDiscriminatorSN refuses this: sides must be multiples of 8"
    with pytest.raises(OptionError, match=told):
        model.optimize_parameters(1)


@pytest.mark.parametrize(
    "section",
    [
        RCAN,
        {**RCAN, "num_feat": 6, "squeeze_factor": 2, "num_group": 1, "num_out_ch": 1},
        ELAN,
        {**ELAN, "m_elan": 6, "n_share": 1, "r_expand": 3, "c_elan": 6},
        {**ELAN, "scale": 3, "colors": 1, "rgb_mean": [0.5]},
    ],
    ids=lambda section: section["type"],
)
def test_weights_tell_their_network(section: dict[str, Any]) -> None:
    state = build_network(section).state_dict()
    found = infer_network(state)
    assert found is not None
    silent = ("window_sizes", "rgb_mean")  # what leaves no trace in weights
    assert {key: found[key] for key in section if key not in silent} == {
        key: value for key, value in section.items() if key not in silent
    }
    shapes = {key: value.shape for key, value in state.items()}
    rebuilt = build_network({**found, **{k: v for k, v in section.items() if k in silent}})
    assert {key: value.shape for key, value in rebuilt.state_dict().items()} == shapes


def test_weights_of_an_rcan_that_enlarges_are_of_none_here() -> None:
    larger = {**RCAN, "type": "RCAN", "upscale": 2}
    assert infer_network(build_network(larger).state_dict()) is None
