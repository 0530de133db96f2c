"""One training step of Easy2Hard, in plain PyTorch with our networks and losses, in float64."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.losses.base import Loss
from smoothkit.losses.edge import BalancedEdgeLoss
from smoothkit.losses.multiscale import MultiScaleSSIMLoss
from smoothkit.losses.pixel import L1Loss
from smoothkit.losses.variation import DistinctiveTVLoss
from smoothkit.metrics.smoothing import psnr, ssim
from support.fill import fill
from support.oracle import Case
from support.rounding import SIGMAS, TURNED, float32_noise, turn_relus

# Recorded component -> its losses, each with the output it reads. What the published program logs
# includes the weights; it logs the variation without adding it to the total.
TERMS: dict[str, dict[str, list[tuple[Loss, str]]]] = {
    "train_e2h_hdc": {
        "loss_L1": [(L1Loss(), "pred")],
        "loss_mSSIM": [(MultiScaleSSIMLoss(), "pred")],
    },
    "train_e2h_hdc_edge": {
        "loss_L1": [(L1Loss(), "pred")],
        "loss_mSSIM": [(MultiScaleSSIMLoss(0.1), "pred")],
        "loss_edge": [(BalancedEdgeLoss(0.001), "edge_logits")],
        "loss_DTV": [(DistinctiveTVLoss(10), "pred")],
    },
    "train_e2h_hdc_edge_refine": {
        "loss_L1": [(L1Loss(), "coarse"), (L1Loss(), "pred")],
        "loss_mSSIM": [(MultiScaleSSIMLoss(0.1), "coarse"), (MultiScaleSSIMLoss(0.1), "pred")],
        "loss_edge": [(BalancedEdgeLoss(0.001), "edge_logits")],
        "loss_DTV": [(DistinctiveTVLoss(10), "coarse"), (DistinctiveTVLoss(), "pred")],
    },
}


@dataclass
class Pass:
    """A forward pass: the network, its named outputs, the components and what is minimised."""

    net: torch.nn.Module
    outputs: dict[str, Tensor]
    components: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        added = [value for name, value in self.components.items() if name != "loss_DTV"]
        return torch.stack(added).sum()


def forward(case: Case, *, training: bool) -> Pass:
    net = ARCH_REGISTRY.build({"type": case.meta["net"], **case.meta["kwargs"]}, where="test")
    net.load_state_dict(fill(net.state_dict()))
    turn_relus(net.double(), TURNED.get(case.name, {}) if training else {})
    outputs = net.train(training).named(net(case.tensor("batch_OB").double()))
    targets = {"gt": case.tensor("batch_GT").double(), "edge": case.tensor("batch_EG")}
    components = {
        name: torch.stack([loss(outputs[key], targets[loss.inputs[1]]) for loss, key in losses])
        for name, losses in TERMS[case.name].items()
    }
    return Pass(net, outputs, {name: values.sum() for name, values in components.items()})


@functools.cache
def trained(name: str) -> tuple[Case, Pass]:
    """The fixture, and the state after its step."""
    case = Case("smoothing", name)
    done = forward(case, training=True)
    optimizer = torch.optim.Adam(done.net.parameters(), lr=case.meta["lr"])
    done.total.backward()
    optimizer.step()
    return case, done


def pred_noise(name: str) -> Tensor:
    """The standard deviation of the recorded prediction."""
    case = Case("smoothing", name)
    net = forward(case, training=True).net
    image = case.tensor("batch_OB").double()
    with torch.no_grad():
        return float32_noise(net, lambda: net.named(net(image)))[1]["pred"]


@pytest.mark.parametrize("name", TERMS)
def test_components_and_total_match_the_reference(name: str) -> None:
    case, done = trained(name)
    assert set(done.components) == {key for key in case.arrays if key.startswith("loss_")} - {
        "loss_total"
    }
    for component, value in done.components.items():
        case.close(value, component)
    case.close(done.total, "loss_total")


@pytest.mark.parametrize("name", TERMS)
def test_prediction_and_its_metrics_match_the_reference(name: str) -> None:
    case, done = trained(name)
    pred, gt = done.outputs["pred"], case.tensor("batch_GT").double()
    case.close(pred, "pred", SIGMAS * pred_noise(name))
    case.close(psnr(pred, gt), "psnr")
    case.close(ssim(pred, gt), "ssim")


@pytest.mark.parametrize("name", TERMS)
def test_gradients_match_the_reference(name: str) -> None:
    case, done = trained(name)
    grads = {key: p.grad for key, p in done.net.named_parameters() if p.grad is not None}
    assert list(grads) == case.meta["param_order_of_grad_norms"]
    # Biases in front of a batch normalisation have a gradient of 0 but for rounding, here and in
    # the recording; the absolute tolerance covers both.
    case.close([grad.norm().item() for grad in grads.values()], "grad_norms")
    for key in case.arrays:
        if key.startswith("grad/"):
            case.close(grads[key.removeprefix("grad/")], key)


@pytest.mark.parametrize("name", TERMS)
def test_weights_and_running_statistics_after_the_step_match_the_reference(name: str) -> None:
    case, done = trained(name)
    state = done.net.state_dict()
    after = [key for key in case.arrays if key.startswith("after/")]
    assert after
    for key in after:
        case.close(state[key.removeprefix("after/")], key)


@pytest.mark.parametrize("name", TERMS)
@torch.no_grad()
def test_validation_before_the_step_matches_the_reference(name: str) -> None:
    case = Case("smoothing", name)
    done = forward(case, training=False)
    pred, gt = done.outputs["pred"], case.tensor("batch_GT").double()
    case.close(done.total, "val_total")
    case.close(psnr(pred, gt), "val_psnr")
    case.close(ssim(pred, gt), "val_ssim")
