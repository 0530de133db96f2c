"""Padding, views, size limit and refinement of matting at test time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.errors import OptionError
from smoothkit.models.folding import fold_batch_norm
from smoothkit.systems.lsa.arch import LsaNet
from smoothkit.systems.lsa.predict import MattingPredictor
from smoothkit.systems.lsa.refine import Refinement, refined

UNKNOWN = 128 / 255


class Pointwise(nn.Module):
    """Half of the red channel: a network that sees one pixel at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, ...]] = []

    def inputs(self, image: Tensor, trimap: Tensor) -> Tensor:
        return torch.cat([image, trimap], 1)

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(tuple(x.shape[-2:]))
        return 0.5 * x[:, :1]


def small_net(seed: int = 0, **options: object) -> LsaNet:
    torch.manual_seed(seed)
    net = build_network({"type": "LsaNet", "width": 4, "blocks": [1, 1, 1, 1], **options}).eval()
    return net.requires_grad_(False)


def ramp(height: int, width: int) -> Tensor:
    """(1, 3, height, width), smooth."""
    y, x = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)[None]
    return torch.stack([x + 0 * y, y + 0 * x, (x + y) / 2])[None]


def unknown(height: int, width: int) -> Tensor:
    return torch.full((1, 1, height, width), UNKNOWN)


@pytest.mark.parametrize("size", [(1, 1), (5, 70), (64, 64), (90, 33)], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"views": "flips"}, {"views": "rotations", "permutations": False}], ids=str
)
def test_every_view_is_turned_back(size, options):
    image = torch.rand(1, 3, *size)
    alpha = MattingPredictor(**options)(Pointwise(), image, unknown(*size))
    torch.testing.assert_close(alpha, 0.5 * image[:, :1])


def test_recolourings_average_to_grey():
    image = torch.rand(1, 3, 8, 8)
    alpha = MattingPredictor(permutations=True)(Pointwise(), image, unknown(8, 8))
    torch.testing.assert_close(alpha, torch.full_like(alpha, 0.25))


def test_known_pixels_are_those_of_the_trimap():
    trimap = unknown(8, 8)
    trimap[..., :3], trimap[..., 5:] = 1, 0
    alpha = MattingPredictor()(Pointwise(), torch.rand(1, 3, 8, 8), trimap)
    assert (alpha[..., :3] == 1).all()
    assert (alpha[..., 5:] == 0).all()


def test_what_bicubic_scaling_overshoots_is_cut_off():
    class Red(Pointwise):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1]

    image = torch.zeros(1, 3, 40, 40)
    image[..., 20:] = 1
    predictor = MattingPredictor(scales=[0.8, 1.25])
    estimate = predictor.estimate(Red(), image, unknown(40, 40))
    assert estimate.min() < 0
    assert estimate.max() > 1
    torch.testing.assert_close(predictor(Red(), image, unknown(40, 40)), estimate.clamp(0, 1))


@pytest.mark.parametrize(
    ("keeps", "seen"), [(True, (128, 192)), (False, (192, 192))], ids=["kept", "as published"]
)
def test_large_images_are_seen_smaller(keeps, seen):
    net = Pointwise()
    predictor = MattingPredictor(max_size=128, keep_aspect=keeps)
    alpha = predictor(net, ramp(128, 256), unknown(128, 256))
    assert net.sizes == [seen]
    assert alpha.shape == (1, 1, 128, 256)
    torch.testing.assert_close(alpha, 0.5 * ramp(128, 256)[:, :1], rtol=0, atol=0.01)


def test_guided_upsampling_keeps_an_edge_that_linear_upsampling_blurs():
    image = torch.zeros(1, 3, 128, 256)
    image[..., 101:] = 1
    true = 0.5 * image[:, :1]
    errors = {}
    for upsampling in ("linear", "guided"):
        predictor = MattingPredictor(max_size=64, upsampling=upsampling)
        alpha = predictor(Pointwise(), image, unknown(128, 256))
        errors[upsampling] = (alpha - true).abs().mean().item()
    assert errors["guided"] < 0.5 * errors["linear"]


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"trimap: must have the size of the image, got \(8, 8\)"):
        MattingPredictor()(Pointwise(), torch.rand(1, 3, 8, 8), unknown(8, 9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": []}, "predictor.scales: must be numbers above 0"),
        ({"max_size": 0}, "predictor.max_size: must be 1 or more, got 0"),
        ({"scales": [float("nan")]}, "predictor.scales: must be numbers above 0"),
        ({"refine": {"lr": 0}}, "lr: must be a number above 0"),
        ({"refine": {"lr": float("inf")}}, "lr: must be a number above 0"),
        ({"refine": {"keep_weight": -1}}, "keep_weight: must be a number of 0 or more"),
        ({"refine": {"stages": []}}, "stages: must be some of 2 to 5"),
        ({"refine": {"steps": -1}}, "steps: must be 0 or more"),
        ({"refine": {"stages": [2, 6]}}, "stages: must be some of 2 to 5"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message.replace(".", r"\.")):
        MattingPredictor(**options)


def half_known(height: int = 64, width: int = 96) -> Tensor:
    """An input (1, 4, H, W) with foreground at the left and background at the right."""
    trimap = unknown(height, width)
    trimap[..., : width // 3], trimap[..., -width // 3 :] = 1, 0
    return torch.cat([torch.randn(1, 3, height, width), trimap], 1)


def test_refinement_lowers_its_loss_and_leaves_the_weights_alone():
    net = small_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(0)
    alpha, trace = refined(net, half_known(), Refinement(steps=20))
    totals = [losses[0] for losses in trace.losses]
    assert totals[-1] < totals[0]
    assert len(totals) == 20
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("steps", [0, 1])
def test_without_steps_alpha_is_the_networks_own(steps):
    net, x = small_net(), half_known()
    alpha, trace = refined(net, x, Refinement(steps=steps))
    assert torch.equal(alpha, net(x).clamp(0, 1))
    assert trace.losses == []


@pytest.mark.parametrize("level", [0.0, 1.0, UNKNOWN])
def test_without_edges_refinement_gives_numbers(level):
    net = small_net()
    x = torch.cat([torch.randn(1, 3, 64, 64), torch.full((1, 1, 64, 64), level)], 1)
    alpha, _ = refined(net, x, Refinement(steps=3))
    assert alpha.isfinite().all()
    torch.testing.assert_close(alpha, net(x).clamp(0, 1), rtol=0, atol=1e-5)


def test_steps_too_large_end_in_the_last_finite_alpha(caplog):
    alpha, trace = refined(small_net(), half_known(), Refinement(steps=30, lr=1e30))
    assert alpha.isfinite().all()
    assert np.isfinite(trace.losses).all()
    assert len(trace.losses) < 30
    assert "not finite at step" in caplog.text


def test_refinement_works_inside_inference_mode_and_folded():
    net, x = small_net(), half_known()
    expected, _ = refined(net, x, Refinement(steps=4))
    folded = fold_batch_norm(net)
    with torch.inference_mode():
        alpha, _ = refined(folded, x.clone(), Refinement(steps=4))
    torch.testing.assert_close(alpha, expected, rtol=0, atol=1e-4)


def test_images_are_refined_one_by_one():
    with pytest.raises(ValueError, match="one by one, got 2"):
        refined(small_net(), half_known().repeat(2, 1, 1, 1), Refinement())


def test_what_surrounds_the_image_may_be_left_out():
    net = small_net()
    image = torch.rand(1, 3, 64, 64)
    results = [
        MattingPredictor(refine={"steps": 6, "lr": 1e4, "uses_border": uses})(
            net, image, unknown(64, 64)
        )
        for uses in (True, False)
    ]
    plain = MattingPredictor()(net, image, unknown(64, 64))
    # With nothing known inside, only the border can pull.
    assert (results[0] - plain).abs().max() > 1e-3
    torch.testing.assert_close(results[1], plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("decoder", ["simple", "fam"])
def test_refinement_scales_both_decoders(decoder):
    net = small_net(decoder=decoder)
    x = half_known()
    alpha, trace = refined(net, x, Refinement(steps=5, stages=(2, 3)))
    assert set(trace.scales) == {2, 3}
    assert not torch.equal(alpha, net(x).clamp(0, 1))


@pytest.mark.parametrize("skip", ["plain", "attention"])
def test_without_the_border_the_network_sees_little_more_than_the_image(skip):
    net = small_net(skip=skip)
    image, trimap = torch.rand(1, 3, 50, 70), unknown(50, 70)
    alpha = MattingPredictor(border=False)(net, image, trimap)
    x = net.inputs(image, trimap)
    torch.testing.assert_close(alpha, net(x).clamp(0, 1))


@pytest.mark.parametrize("size", [(33, 47), (48, 100)], ids=str)
@pytest.mark.parametrize("skip", ["plain", "aspp", "ppm", "attention"])
def test_every_skip_takes_any_size(skip, size):
    net = small_net(skip=skip)
    assert net(torch.rand(1, 4, *size)).shape == (1, 1, *size)


def test_the_size_limit_holds_at_every_scale():
    net = Pointwise()
    predictor = MattingPredictor(max_size=128, scales=(0.5, 1.0, 1.25))
    alpha = predictor(net, ramp(128, 192), unknown(128, 192))
    # 64 x 96, 128 x 192 and 160 x 240, of which the last two are seen smaller.
    assert net.sizes == [(128, 192), (192, 192), (192, 192)]
    torch.testing.assert_close(alpha, 0.5 * ramp(128, 192)[:, :1], rtol=0, atol=0.01)


def test_the_flow_of_fam_is_as_exact_in_half_precision():
    net = small_net(decoder="fam")
    x = half_known(32, 1200)
    exact = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(x)
    assert mixed.dtype == torch.float32
    assert (mixed - exact).abs().max() < 0.05 * exact.abs().max()
