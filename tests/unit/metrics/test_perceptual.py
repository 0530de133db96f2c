"""LPIPS with random backbone weights, against the definition written out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lpips as published
import pytest
import torch
import torchvision
from torch import Tensor

from smoothkit.core.errors import DataError
from smoothkit.core.options import read_options
from smoothkit.engine.check import check
from smoothkit.metrics import calculate_metric, is_higher_better
from smoothkit.metrics.dists import Dists
from smoothkit.metrics.perceptual import load_lpips

TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}


@pytest.fixture(scope="module", params=["alex", "vgg"])
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    torch.manual_seed(0)
    build = {"alex": torchvision.models.alexnet, "vgg": torchvision.models.vgg16}[request.param]
    net = build(weights=None)
    path = tmp_path_factory.mktemp("weights") / f"{request.param}.pth"
    torch.save(net.features.state_dict(prefix="features."), path)
    return request.param, net.features.eval(), path


def written_out(name: str, features: torch.nn.Sequential, pred: Tensor, gt: Tensor) -> float:
    """Zhang et al. 2018, equation 1."""
    folder = Path(published.__file__).parent / "weights/v0.1"
    linear = torch.load(folder / f"{name}.pth", map_location="cpu", weights_only=True)
    mean = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    spread = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    maps = [(2 * image[None] - 1 - mean) / spread for image in (pred, gt)]
    total, level = 0.0, 0
    for index, layer in enumerate(features):
        maps = [layer(x) for x in maps]
        if index in TAPS[name]:
            first, second = (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10) for x in maps)
            weight = linear[f"lin{level}.model.1.weight"]
            total += ((first - second).square() * weight).sum(1).mean().item()
            level += 1
    return total


def test_distance_is_the_papers(backbone) -> None:
    name, features, path = backbone
    pred, gt = torch.rand(2, 3, 72, 80)
    options = {"type": "lpips", "net": name, "weights": str(path)}
    with torch.no_grad():
        expected = written_out(name, features, pred, gt)
    found = calculate_metric({"img": pred, "img2": gt}, options)
    assert found == pytest.approx(expected, rel=1e-4)
    assert found > 0
    assert calculate_metric({"img": gt, "img2": gt}, options) == 0
    assert not is_higher_better(options)


def test_images_that_are_too_small_are_refused(backbone) -> None:
    name, _, path = backbone
    least = {"alex": 31, "vgg": 16}[name]
    options = {"type": "lpips", "net": name, "weights": str(path)}
    pair = torch.rand(2, 3, least, least)
    assert calculate_metric({"img": pair[0], "img2": pair[1]}, options) > 0
    with pytest.raises(ValueError, match=f"LPIPS needs images with sides of {least} pixels"):
        calculate_metric({"img": pair[0, :, 1:], "img2": pair[1, :, 1:]}, options)


@pytest.fixture
def _tf32_on() -> Iterator[None]:
    before = tf32()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("_tf32_on")
def test_distances_are_computed_in_whole_float32(backbone) -> None:
    name, _, path = backbone
    for judge, inner in ((load_lpips(name, path, "cpu"), "published.net"), (Dists(), "stage1")):
        seen: list[tuple[bool, bool]] = []
        module = judge.get_submodule(inner)
        hook = module.register_forward_hook(lambda *_, seen=seen: seen.append(tf32()))
        judge(*torch.rand(2, 1, 3, 48, 48))
        hook.remove()
        assert set(seen) == {(False, False)}
        assert tf32() == (True, True)


def tf32() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "w.pth")
    image = torch.rand(3, 64, 64)
    options = {"type": "lpips", "weights": str(tmp_path / "w.pth")}
    with pytest.raises(DataError, match=r"w\.pth: not weights of this alexnet: missing"):
        calculate_metric({"img": image, "img2": image}, options)


def test_images_of_other_shapes_are_refused() -> None:
    for pred, gt in ((torch.rand(1, 8, 8),) * 2, (torch.rand(3, 8, 8), torch.rand(3, 8, 9))):
        with pytest.raises(ValueError, match="images need one shape, of 3 channels"):
            calculate_metric({"img": pred, "img2": gt}, {"type": "lpips"})


def test_missing_weights_are_a_fault_of_the_option_file(tiny) -> None:
    metrics = {"lpips": {"type": "lpips", "weights": "nowhere.pth"}}
    (fault,) = check(read_options(tiny(val={"metrics": metrics}))).faults
    assert fault.where == "val.metrics.lpips"
    assert fault.message == "nowhere.pth: no such file of weights (weights)."
