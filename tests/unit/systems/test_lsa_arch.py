"""The matting network beside its recorded outputs: inputs, options, published checkpoints."""

from __future__ import annotations

import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.core.errors import OptionError
from smoothkit.models.load import load_network
from smoothkit.systems.lsa.arch import MEAN, STD

SMALL = {"type": "LsaNet", "width": 4, "blocks": [1, 2, 1, 1]}


def test_the_input_is_normalised_with_each_colours_own_mean():
    image = torch.tensor([0.2, 0.4, 0.9]).view(1, 3, 1, 1).expand(1, 3, 4, 5)
    trimap = torch.full((1, 1, 4, 5), 128 / 255)
    expected = [(v - m) / s for v, m, s in zip((0.2, 0.4, 0.9), MEAN, STD, strict=True)]
    for order, turn in (("RGB", 1), ("BGR", -1)):
        x = build_network({**SMALL, "input_format": order}).inputs(image, trimap)
        assert x.shape == (1, 4, 4, 5)
        assert x[0, :3, 0, 0].tolist() == pytest.approx(expected[::turn], rel=1e-5)
        assert torch.equal(x[:, 3:], trimap)


@pytest.mark.parametrize("decoder", ["simple", "fam"])
@pytest.mark.parametrize("skip", ["plain", "aspp", "ppm", "attention"])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_a_checkpoint_tells_which_network_it_holds(tmp_path, decoder, skip, prefix):
    net = build_network({**SMALL, "decoder": decoder, "skip": skip}).eval()
    state = {f"{prefix}{name}": value for name, value in net.state_dict().items()}
    torch.save({"epoch": 7, "state_dict": state}, tmp_path / "ckpt_e7.pth")
    loaded, _ = load_network(tmp_path / "ckpt_e7.pth")
    x = torch.rand(1, 4, 33, 40)
    assert torch.equal(loaded.eval()(x), net(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 6}, "width: must be a multiple of 4, got 6"),
        ({"width": 0}, "width: must be a multiple of 4, got 0"),
        ({"blocks": [1, 1, 1]}, r"blocks: must be four numbers of 1 or more, got \[1, 1, 1\]"),
        ({"blocks": [1, 0, 1, 1]}, "blocks: must be four numbers of 1 or more"),
        ({"decoder": "unet"}, "decoder: must be one of 'simple', 'fam', got 'unet'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        build_network({**SMALL, **options})
