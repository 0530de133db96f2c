"""What matting does at test time and in preparing data, on the accelerator.

The re-estimation of foregrounds: tests/unit/systems/test_lsa_reestimate.py, marked ``gpu`` too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothkit.archs import build_network
from smoothkit.ops.upsample import guided_upsample
from smoothkit.systems.lsa.arch import LsaNet
from smoothkit.systems.lsa.matting import Matting
from smoothkit.systems.lsa.predict import MattingPredictor
from smoothkit.systems.lsa.reestimate import reestimate
from smoothkit.systems.lsa.refine import Refinement, refined
from support.mattes import furry

pytestmark = pytest.mark.gpu


def network() -> LsaNet:
    """A small one whose alphas spread over the range."""
    torch.manual_seed(0)
    net = build_network({"type": "LsaNet", "width": 8, "blocks": [1, 1, 1, 1]}).eval()
    with torch.no_grad():
        net.decoder.final_final.conv3.weight *= 10
        net.decoder.final_final.conv3.bias.fill_(0.5)
    return net


def scene(height: int = 70, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A photograph, BGR, and the trimap of a furry object in it, both in bytes."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return image, furry(height=height, width=width)[2]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"views": "rotations", "scales": [0.8, 1.25]},
        {"permutations": True},
        {"max_size": 48, "upsampling": "guided"},
        {"max_size": 48, "upsampling": "linear", "border": False},
        {"refine": {"steps": 5}},
    ],
    ids=["plain", "averaged", "permuted", "guided", "linear", "refined"],
)
def test_alpha_is_that_of_the_cpu(options: dict[str, Any], device: torch.device) -> None:
    found, expected = (
        Matting(network(), where, MattingPredictor(**options))(*scene())
        for where in (device, "cpu")
    )
    assert np.ptp(expected) == 1
    # Of two float32 algorithms on the CPU the results differ by up to 6e-6.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_alpha_in_half_precision_stays_near(device: torch.device) -> None:
    found = Matting(network(), device, dtype=torch.bfloat16)(*scene())
    assert np.abs(found - Matting(network())(*scene())).mean() < 0.01


def test_refinement_descends_as_on_the_cpu(device: torch.device) -> None:
    image, trimap = scene(64, 64)
    planes = torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None]
    plane = torch.from_numpy(trimap / np.float32(255))[None, None]
    traces = []
    for where in (device, torch.device("cpu")):
        net = network().requires_grad_(False).to(where)
        alpha, trace = refined(net, net.inputs(planes.to(where), plane.to(where)), Refinement(8))
        assert alpha.device == where
        traces.append(np.array(trace.losses))
    assert traces[0].shape == (8, 3)
    assert traces[1][-1, 0] < traces[1][0, 0]
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-3, atol=1e-6)


def test_guided_upsampling_is_that_of_the_cpu(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    guide = torch.rand(2, 3, 60, 80, generator=generator)
    small = torch.nn.functional.avg_pool2d(guide, 4)
    values = small.mean(1, keepdim=True)
    found = guided_upsample(*(x.to(device) for x in (values, small, guide)))
    assert found.device == device
    # It solves for slopes with a ridge of 1e-4; float32 is off from float64 by 1e-5 here.
    torch.testing.assert_close(
        found.cpu(), guided_upsample(values, small, guide), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_foregrounds_of_large_images_are_those_of_bands_on_the_cpu(
    dtype: torch.dtype, device: torch.device
) -> None:
    """The CPU cuts images into bands, and resizes by OpenCV."""
    if dtype == torch.float64 and device.type == "mps":
        pytest.skip("MPS has no float64")
    generator = torch.Generator().manual_seed(0)
    foreground = torch.rand(3, 420, 560, generator=generator, dtype=dtype)
    alpha = (torch.rand(1, 420, 560, generator=generator, dtype=dtype) * 2 - 0.5).clamp(0, 1)
    given: list[Tensor] = [foreground, alpha]
    found = reestimate(*(x.to(device) for x in given), iterations=5)
    assert found.dtype == dtype
    # Positions of pixels, by which both resize, are float32: off by 1e-5 where images change by 1.
    torch.testing.assert_close(found.cpu(), reestimate(*given, iterations=5), rtol=0, atol=5e-5)
