"""Every registered network, loss and metric, whatever system it belongs to."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch

from smoothkit.cli.list import KINDS, listing, registry_of
from smoothkit.core.errors import DataError
from smoothkit.core.registry import LOSS_REGISTRY, METRIC_REGISTRY
from smoothkit.losses import build_loss
from smoothkit.metrics import calculate_metric
from smoothkit.models.predictor import Predictor, named_outputs
from support.networks import IMAGE_NETWORKS, in_channels, small
from support.vgg import write_judges


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
@pytest.mark.parametrize("size", [(17, 23), (1, 1)], ids=str)
def test_a_network_takes_odd_sizes_and_a_batch_of_one(name, size):
    net = small(name).eval()
    image = torch.rand(1, in_channels(net), *size)
    if getattr(getattr(net, "io", None), "refuses_below", 1) > min(size):
        with pytest.raises(DataError, match=rf"{name}: sides must be \d+ or more, got 1x1\."):
            Predictor("round")(net, image)
        return
    result = Predictor("round")(net, image)
    scale = getattr(getattr(net, "io", None), "scale", 1)
    assert result.shape[2:] == (size[0] * scale, size[1] * scale)
    assert result.shape[1] == (3 if in_channels(net) == 3 else 1)
    assert torch.equal((result * 255).round() / 255, result)
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_a_network_round_trips_its_weights_and_names_its_outputs(name):
    first, second = small(name).eval(), small(name).eval()
    second.load_state_dict(first.state_dict())
    image = torch.rand(2, in_channels(first), 32, 32)
    outputs = [named_outputs(net, net(image)) for net in (first, second)]
    assert "pred" in outputs[0]
    for key, value in outputs[0].items():
        assert torch.equal(value, outputs[1][key])


@pytest.mark.parametrize("name", LOSS_REGISTRY.keys())
def test_a_loss_is_finite_with_a_finite_gradient(name):
    takes = inspect.signature(LOSS_REGISTRY.get(name)).parameters
    weights = {"weights": "random"} if "weights" in takes and "network" not in takes else {}
    loss = build_loss({"type": name, **weights})
    values = {
        "pred": torch.rand(2, 3, 16, 16, requires_grad=True),
        "gt": torch.rand(2, 3, 16, 16),
        "edge_logits": torch.randn(2, 1, 16, 16, requires_grad=True),
        "edge": (torch.rand(2, 1, 16, 16) > 0.7).byte(),
        "negative_votes": torch.tensor([2, 3]),
        "positive_votes": torch.tensor([3, 2]),
        "num_annotators": torch.tensor([3, 3]),
        "segmentation": torch.randint(0, 3, (2, 16, 16)),
    }
    images = ("negative", "positive", "original", "pred_ema", "fg", "bg", "image")
    values |= {key: torch.rand(2, 3, 16, 16) for key in images}
    if "trimap" in getattr(loss, "inputs", ()):
        is_class = name == "MattingClassLoss"
        values["pred"] = torch.rand(2, 3 if is_class else 1, 16, 16, requires_grad=True)
        values["gt"] = torch.rand(2, 1, 16, 16)
        values["trimap"] = torch.full((2, 1, 16, 16), 128 / 255)
    inputs = [values[key] for key in getattr(loss, "inputs", ("pred", "gt"))]
    value = loss(*inputs)
    value.backward()
    assert value.isfinite()
    assert value.ndim == 0
    assert inputs[0].grad.isfinite().all()
    assert inputs[0].grad.abs().max() > 0


@pytest.fixture
def random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's cache with random weights of the network that metrics compare features of."""
    write_judges(tmp_path / "checkpoints")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize("name", METRIC_REGISTRY.keys())
def test_a_metric_prefers_the_truth(name):
    metric = METRIC_REGISTRY.get(name)
    truth = torch.rand(3, 32, 32)
    near, far = (truth + amount * torch.randn(3, 32, 32) for amount in (0.01, 0.2))
    near, far, truth = (v[:1] if name.startswith("matting") else v for v in (near, far, truth))
    trimap = torch.full((1, 32, 32), 128 / 255)
    better, worse = (
        calculate_metric({"img": image, "img2": truth, "trimap": trimap}, {"type": name})
        for image in (near, far)
    )
    assert (better > worse) == (metric.better == "higher")
    low, high = metric.limits
    assert low <= worse <= high


@pytest.mark.parametrize("kind", KINDS)
def test_everything_listed_says_what_it_is(kind):
    lines = list(listing(kind))
    assert len(lines) == 1 + 3 * len(registry_of(kind).keys())
    assert all(line.strip() for line in lines)
