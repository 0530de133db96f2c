"""Padded, averaged and refined inference against recorded results."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from smoothkit.archs import build_network
from smoothkit.models.folding import fold_batch_norm
from smoothkit.systems.lsa.arch import LsaNet
from smoothkit.systems.lsa.predict import MattingPredictor
from smoothkit.systems.lsa.refine import Refinement, refined
from support.fill import fill
from support.oracle import Case

GROUP = "matting"
ROTATED = {"views": "rotations"}
VARIANTS = {
    "plain": {},
    "aug": {},
    "rotation": ROTATED,
    "permute": {**ROTATED, "permutations": True},
    "multiscale": {**ROTATED, "scales": (0.8, 1.0, 1.25)},
    "aug_max48_": {"max_size": 48, "keep_aspect": False},
    "rotation_max48_": {**ROTATED, "max_size": 48, "keep_aspect": False},
}


class Tiny(nn.Module):
    """The recorded stand-in: two convolutions without any symmetry."""

    inputs = LsaNet.inputs
    input_format = "RGB"

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 6, 3, padding=1)
        self.b = nn.Conv2d(6, 1, 5, padding=2)
        self.load_state_dict(fill(self.state_dict()))
        self.b.weight.data *= 0.5
        self.b.bias.data.fill_(0.5)
        self.shapes: list[list[int]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shapes.append(list(x.shape))
        return self.b(torch.relu(self.a(x)))


def scaled_network(scale: float = 5.0, bias: float | None = 0.6) -> LsaNet:
    net = build_network({"type": "LsaNet"}).eval().requires_grad_(False)
    net.load_state_dict(fill(net.state_dict()))
    last = net.decoder.final_final.conv3
    last.weight *= scale
    if bias is not None:
        last.bias.fill_(bias)
    return net


def images(case: Case, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.from_numpy(case[f"img{number}"][..., ::-1].copy()).permute(2, 0, 1)
    trimap = case.tensor(f"trimap{number}")[None]
    return image[None].float() / 255, trimap[None].float() / 255


def recorded() -> list[tuple[str, int]]:
    names = Case(GROUP, "inference").meta["calls"]
    return [(name[:-1], int(name[-1])) for name in names]


@pytest.mark.parametrize(("variant", "number"), recorded())
def test_inference_gives_what_the_published_one_gives(variant: str, number: int) -> None:
    case = Case(GROUP, "inference")
    is_tiny = not variant.startswith("network_")
    net = Tiny() if is_tiny else scaled_network()
    predictor = MattingPredictor(**VARIANTS[variant.removeprefix("network_")])
    result = predictor.estimate(net, *images(case, number))[0, 0]
    difference = np.abs(result.numpy() - case[f"{variant}{number}"])
    if is_tiny:
        calls = case.meta["calls"][f"{variant}{number}"]
        assert len(net.shapes) == calls["calls"]
        assert {str(shape) for shape in net.shapes} == set(calls["input_shapes"])
    if "max48" in variant or variant == "multiscale":  # published ones are resized as bytes
        assert difference.mean() <= 1e-3
        assert difference.max() <= 2e-2
    else:
        assert difference.max() <= (1e-4 if is_tiny else 2e-4)


def refine_input(case: Case, name: str) -> torch.Tensor:
    options = case.meta["cases"][name]
    if name != "big":
        return case.tensor(f"x_{name}")
    height, width = options["shape"]
    rng = np.random.RandomState(options["seed"])
    image = rng.standard_normal((1, 3, height, width)).astype(np.float32)
    top, bottom, left, right, margin = options["box"]
    trimap = np.zeros((1, 1, height, width), np.float32)
    trimap[..., top - margin : bottom + margin, left - margin : right + margin] = 128 / 255
    trimap[..., top:bottom, left:right] = 1
    return torch.from_numpy(np.concatenate([image, trimap], 1))


@pytest.mark.parametrize("folds", [False, True], ids=["as it is", "folded"])
@pytest.mark.parametrize("name", ["plain", "wide", "one", "big"])
def test_refinement_agrees_step_by_step(name: str, folds: bool) -> None:
    case = Case(GROUP, "refine")
    options = case.meta["cases"][name]
    net = scaled_network(options["conv3_scale"], options["conv3_bias"])
    net = fold_batch_norm(net).requires_grad_(False) if folds else net
    alpha, trace = refined(net, refine_input(case, name), Refinement(steps=options["steps"]))
    if "crop" in options:
        top, bottom, left, right = options["crop"]
        alpha = alpha[..., top:bottom, left:right]
    np.testing.assert_allclose(alpha, case[f"alpha_{name}"], rtol=0, atol=1e-4)
    if name != "one":  # one step refines nothing, and computes no gradient here
        np.testing.assert_allclose(trace.losses, case[f"losses_{name}"], rtol=1e-4, atol=1e-9)
        for maps, key in ((trace.scales, "A_abs"), (trace.shifts, "B_abs")):
            sums = [maps[number].detach().abs().sum() for number in (2, 3, 4, 5)]
            np.testing.assert_allclose(sums, case[f"{key}_{name}"], rtol=1e-3)
    assert all(p.grad is None for p in net.parameters())
