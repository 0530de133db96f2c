"""The recorded training steps of CSGIS-Net, through the model and the option files that ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.core.runtime import Runtime
from smoothkit.models import build_model
from smoothkit.models.predictor import named_outputs
from smoothkit.models.step import Step
from smoothkit.ops.ssim import ssim_map
from support.csgis import options_of, write_teacher
from support.fill import fill
from support.oracle import Case
from support.rounding import SIGMAS, TURNED, float32_noise, to_float64, turn_relus
from support.vgg import write_vgg16

# Recorded step -> option file, source of the negative.
STEPS = {
    "train_cs_cons": ("train_CSGISNet_contrast.yml", "over"),
    "train_cs_seg": ("train_CSGISNet_segmentation.yml", None),
    "train_cs_cons_seg_neg_ob": ("train_CSGISNet_reference.yml", "input"),
    "train_cs_cons_seg_neg_ov": ("train_CSGISNet_reference.yml", "over"),
}
# Our terms by the reference's components, which hold their weights.
PARTS = {
    "loss_L1": ("l_pixel", "l_coarse"),
    "loss_mSSIM": ("l_ssim", "l_coarse_ssim"),
    "loss_edge": ("l_edge",),
    "loss_contrast": ("l_grey", "l_style"),
    "loss_segmantation": ("l_seg",),
}
# A convolution before BatchNorm has no gradient for its bias but noise.
NOISE = 1e-5


def is_noise(name: str) -> bool:
    """Whether a parameter is the bias of a convolution that BatchNorm follows."""
    module, _, kind = name.rpartition(".")
    is_last = module in ("interpreter1.6", "interpreter2.9", "refine.9", "descriptor.conv_in")
    return kind == "bias" and "bn" not in module and not is_last


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_vgg16(folder / "vgg16.pth")
    write_teacher(folder / "teacher.pth")
    return folder


def model_of(case: Case, weights: Path, **changes: Any) -> Any:
    file, source = STEPS[case.name]
    options = options_of(file)
    reference = options_of("train_CSGISNet_reference.yml")["train"]["seg_opt"]
    options["network_g"] = {"type": case.meta["class"], **case.meta["kwargs"]}
    if source is not None:
        options["negatives"] = {"source": source}
        options["train"]["style_opt"]["weights"] = str(weights / "vgg16.pth")
    if "seg_opt" in options["train"]:
        network = {**reference["network"], "dropout": 0.0}
        seg = {**reference, "weights": str(weights / "teacher.pth"), "network": network, **changes}
        options["train"]["seg_opt"] = seg
    model = build_model(options)
    model.net.load_state_dict(fill(model.net.state_dict()))
    return model


def batch_of(case: Case) -> dict[str, Tensor]:
    names = {"lq": "batch_OB", "gt": "batch_GT", "edge": "batch_EG"}
    # The folder of the mode without segmentation held the over-smoothed images.
    is_over = case["batch_SE"].ndim == 4
    names |= {"over": "batch_SE"} if is_over else {"segmentation": "batch_SE", "over": "batch_OV"}
    return {name: case.tensor(key) for name, key in names.items()}


@pytest.fixture(scope="module", params=STEPS)
def case(request: pytest.FixtureRequest) -> Case:
    return Case("smoothing", request.param)


def test_the_prediction_is_the_recorded_one(case: Case, weights: Path) -> None:
    model = model_of(case, weights)
    net, image = model.net.train(), to_float64(model, batch_of(case))["lq"]
    with torch.no_grad():
        exact, noise = float32_noise(net, lambda: named_outputs(net, net(image)))
    case.close(exact["pred"], "pred", SIGMAS * noise["pred"])


def assert_losses(case: Case, logs: dict[str, float]) -> None:
    """The total and each component are the recorded ones."""
    case.close(logs["l_total"], "loss_total")
    for component, parts in PARTS.items():
        if component in case.arrays:
            case.close(sum(logs[part] for part in parts), component)


def test_the_shipped_files_make_the_recorded_steps(case: Case, weights: Path) -> None:
    model = model_of(case, weights)
    turn_relus(model.net, TURNED.get(case.name, {}))
    batch = to_float64(model, batch_of(case))
    model.update_learning_rate(1)
    model.feed_data(batch)
    model.optimize_parameters(1)
    assert_losses(case, model.get_current_log())
    norms = [float(p.grad.norm()) for p in model.net.parameters()]
    for own, recorded in zip(norms, case["grad_norms"], strict=True):
        assert own == pytest.approx(recorded, rel=case.rtol, abs=NOISE)
    grads = {name: p.grad for name, p in model.net.named_parameters()}
    for key in case.arrays:
        name = key.removeprefix("grad/")
        if name != key and not is_noise(name):
            # Sums over all pixels: where one is small, its terms are not, and rounding is theirs.
            size = case.tensor(key).square().mean().sqrt()
            case.close(grads[name], key, case.rtol * size)
    after = model.net.state_dict()
    for key in case.arrays:
        if key.startswith("after/"):
            case.close(after[key.removeprefix("after/")], key)


def test_the_losses_are_the_recorded_ones_in_float32_too(case: Case, weights: Path) -> None:
    model = model_of(case, weights)
    model.feed_data(batch_of(case))
    model.optimize_parameters(1)
    assert_losses(case, model.get_current_log())


def test_validation_measures_what_the_reference_does(case: Case, weights: Path) -> None:
    options = {"network_g": {"type": case.meta["class"], **case.meta["kwargs"]}, "num_gpu": 0}
    model = build_model({**options, "predictor": {"rounding": "none"}}, Runtime(is_train=False))
    model.net.load_state_dict(fill(model.net.state_dict()))
    model.feed_data(batch_of(case))
    model.test()
    truth = case.tensor("batch_GT")
    error = (model.output - truth).square().mean()
    case.close(-10 * error.log10(), "val_psnr")
    case.close(ssim_map(model.output, truth).mean(), "val_ssim")


COMPLETE = Case("smoothing", "train_cs_cons_seg_neg_ov")


def gradient_norms(model: Any, batch: dict[str, Tensor]) -> dict[str, tuple[float, float]]:
    """Value of each term, and norm of its gradient over the smoothing network."""
    model.net.train()
    found = {}
    for name, term in model.terms.items():
        step = model._run(Step(batch, targets=model.pick_targets(batch)))
        value = term(step)
        model.net.zero_grad()
        if value.requires_grad:
            value.backward()
        grads = [p.grad for p in model.net.parameters() if p.grad is not None]
        norm = float(nn.utils.get_total_norm(grads)) if grads else 0.0
        found[name] = (value.item(), norm)
    return found


def test_the_semantic_term_moves_the_network_through_the_result_only(weights: Path) -> None:
    batch = batch_of(COMPLETE)
    published = gradient_norms(model_of(COMPLETE, weights), batch)
    described = gradient_norms(model_of(COMPLETE, weights, pred="pred"), batch)
    assert published["seg"][1] == 0
    assert described["seg"][1] > 0.1
    assert COMPLETE["loss_segmantation"] == pytest.approx(published["seg"][0], rel=COMPLETE.rtol)
    for name in ("coarse", "pixel", "coarse_ssim", "ssim", "edge", "grey", "style"):
        assert described[name] == pytest.approx(published[name], rel=1e-3)
        assert described[name][1] > 0


def plain_terms(weights: Path, batch: dict[str, Tensor]) -> dict[str, Callable[[Any], Tensor]]:
    """The terms that CSGIS-Net adds, straight from their formulas."""
    features = torchvision.models.vgg16(weights=None).features.requires_grad_(False)
    features.load_state_dict(
        {k.removeprefix("features."): v for k, v in torch.load(weights / "vgg16.pth").items()}
    )
    teacher = build_network({"type": "deeplabv3plus_mobilenet"}).eval()
    teacher.load_state_dict(torch.load(weights / "teacher.pth", weights_only=False)["model_state"])
    gt, negative = batch["gt"], batch["over"]

    def style(a: Tensor, b: Tensor) -> Tensor:
        total = torch.zeros(())
        for depth in (4, 9):
            x, y = (features[:depth](image).flatten(2) for image in (a, b))
            scale = x.shape[1] * x.shape[2]
            total = total + ((x @ x.mT - y @ y.mT) / scale).square().sum()
        return total

    def grey(a: Tensor, b: Tensor) -> Tensor:
        return (a.mean(1) - b.mean(1)).abs().mean()

    def cross_entropy(pred: Tensor) -> Tensor:
        labels = batch["segmentation"].long()
        return F.cross_entropy(teacher(pred), labels, ignore_index=255)

    return {
        "grey": lambda p: (grey(p, gt) - grey(p, negative) + 0.3).clamp_min(0),
        "style": lambda p: (style(p, gt) - style(p, negative) + 0.04).clamp_min(0),
        "seg": cross_entropy,
    }


def test_each_added_term_and_its_gradient_are_those_of_its_formula(weights: Path) -> None:
    described = {"pred": "pred", "teacher_mode": "eval"}  # batch statistics magnify rounding
    model, batch = model_of(COMPLETE, weights, **described), batch_of(COMPLETE)
    found = gradient_norms(model, batch)
    for name, formula in plain_terms(weights, batch).items():
        step = model._run(Step(batch))
        model.net.zero_grad()
        value = formula(step["pred"])
        value.backward()
        norm = nn.utils.get_total_norm(
            [p.grad for p in model.net.parameters() if p.grad is not None]
        )
        assert found[name] == pytest.approx((value.item(), norm.item()), rel=1e-3), name


def test_terms_and_gradients_add_up_to_the_whole_step(weights: Path) -> None:
    model = model_of(COMPLETE, weights, pred="pred")
    batch = to_float64(model, batch_of(COMPLETE))
    state = {k: v.clone() for k, v in model.net.state_dict().items()}
    single: dict[str, np.ndarray] = {}
    values = []
    for term in model.terms.values():
        model.net.load_state_dict(state)
        model.net.zero_grad()
        model.net.train()
        value = term(model._run(Step(batch, targets=model.pick_targets(batch))))
        value.backward()
        values.append(value.item())
        for name, p in model.net.named_parameters():
            single[name] = single.get(name, 0) + (0 if p.grad is None else p.grad.numpy().copy())
    model.net.load_state_dict(state)
    model.update_learning_rate(1)
    model.feed_data(batch)
    model.optimize_parameters(1)
    assert model.get_current_log()["l_total"] == pytest.approx(sum(values), rel=1e-6)
    for name, p in model.net.named_parameters():
        apart = np.linalg.norm(p.grad.numpy() - single[name])
        assert apart < 1e-9 * np.linalg.norm(single[name]) + 1e-9, name
