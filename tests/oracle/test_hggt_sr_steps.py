"""Whole training steps against recorded ones: losses, gradients, weights after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothkit.models import build_model
from support.fill import fill
from support.oracle import Case
from support.vgg import write_vgg19

GROUP = "hggt_posneg_sr"
# Our names of the losses by those that the published models log.
NAMES = {
    "l_b_pix_total": "l_pixel",
    "l_pix_o": "l_pixel",
    "l_p_pix": "l_pixel",
    "l_g_pix": "l_pixel",
    "l_b_neg_total": "l_negative",
    "l_g_percep": "l_perceptual",
    "l_g_gan": "l_gan",
    "l_g_ldl": "l_ldl",
}
STEPS = [
    "step_ours_posneggt",
    "step_ours_posneggt_nonegative",
    "step_ldl_posgt",
    "step_ldl",
    "step_adatarget_posgt",
    "step_ours_nogan",
    "step_ours_gan",
]


@pytest.fixture(scope="module", autouse=True)
def vgg(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("hub")
    write_vgg19(folder / "checkpoints/vgg19-dcbb9e9d.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, "get_dir", lambda: str(folder))
        yield


def options(meta: dict[str, Any]) -> dict[str, Any]:
    """The recorded step in our form."""
    theirs, extra = meta["train"], meta["extra"]
    sharp = {"target": "sharp"}
    train: dict[str, Any] = {"optim_g": meta["optimiser"], "ema_decay": meta["ema_decay"]}
    if "adatarget_opt" in theirs:
        train["adatarget_opt"] = {**theirs["adatarget_opt"], "network": extra["network_loc"],
                                  "k_size": extra["k_size"], "s_size": extra["s_size"]}  # fmt: skip
        train |= {"optim_loc": theirs["optim_loc"], "grad_clip": 0.1}
    pixel = theirs.get("pixel_opt_o") or theirs.get("pixel_opt")
    if pixel and "adatarget_opt" not in theirs:
        train["pixel_opt"] = pixel | (sharp if extra.get("l1_gt_usm") else {})
    if "ldl_opt" in theirs:
        weight = theirs["ldl_opt"]["loss_weight"]
        train["ldl_opt"] = {"type": "ArtifactLoss", "loss_weight": weight}
    if "neg_opt" in theirs:
        weight = theirs["neg_opt"]["loss_weight"]
        train["negative_opt"] = {"type": "NegativeGTLoss", "loss_weight": weight}
    if "perceptual_opt" in theirs and meta.get("network_d"):
        train["perceptual_opt"] = theirs["perceptual_opt"] | (
            sharp if extra.get("percep_gt_usm") else {}
        )
    result = {"num_gpu": 0, "scale": 4, "network_g": meta["network_g"], "train": train}
    if meta.get("network_d"):
        result["network_d"] = meta["network_d"]
        train |= {"gan_opt": theirs["gan_opt"], "optim_d": meta["optimiser"]}
    return result


def drawn(meta: dict[str, Any], images: Tensor, choices: list) -> dict[str, Tensor]:
    """Targets as the recorded choices have them: first all targets, then each sample's negative."""
    if not meta["labels"]:
        return {"gt": images[:, 0]}
    count = len(images)
    targets = [choices.pop(0)[1] for _ in range(count)]
    batch = {"gt": images[range(count), targets]}
    if "neg_opt" not in meta["train"]:
        return batch
    rows = []
    for sample, (labels, votes) in enumerate(zip(meta["labels"], meta["label_num"], strict=True)):
        if 3 not in labels:
            rows.append((images[sample, 0], images[sample, 0], 0, votes[0]))
            continue
        negative, positive = choices.pop(0)[1], choices.pop(0)[1]
        chosen = images[sample, negative], images[sample, positive]
        rows.append((*chosen, votes[negative], votes[positive]))
    negatives, positives, negative_votes, positive_votes = zip(*rows, strict=True)
    return {
        **batch,
        "original": images[:, 0],
        "negative": torch.stack(negatives),
        "positive": torch.stack(positives),
        "negative_votes": torch.tensor(negative_votes),
        "positive_votes": torch.tensor(positive_votes),
        "num_annotators": torch.full((len(rows),), 3),
    }


def start(case: Case) -> Any:
    model = build_model(options(case.meta))
    model.net.load_state_dict(fill(model.net.state_dict()))
    model.ema.net.load_state_dict(model.net.state_dict())
    if case.name.startswith("step_ldl"):
        for parameter in model.ema.net.parameters():
            parameter.data *= 0.97
    if model.critic is not None:
        vectors = {k[3:]: case.tensor(k) for k in case.arrays if k.startswith("sn/")}
        model.critic.net.load_state_dict({**fill(model.critic.net.state_dict()), **vectors})
    for net in model.companions.values():
        state = fill(net.state_dict())
        state["layer4.weight"] *= 0.05
        state["layer4.bias"] += torch.tensor([1.0, 0, 0, 0, 1, 0])
        net.load_state_dict(state)
    return model


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_the_published_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(GROUP, name)
    meta, limits = case.meta, case.meta["tolerance"]
    lq, images = (case.tensor(key).float() / 255 for key in ("lq_uint8", "imgs_uint8"))
    model, choices = start(case), list(meta["choices"])
    grads: dict[str, Tensor] = {}
    step = model.updater.trainees[0].optimizer
    clip = torch.nn.utils.clip_grad_norm_

    def recording(parameters: list[Tensor], *args: Any) -> Any:
        norm = clip(parameters, *args)  # the gradients were recorded as they were stepped
        if not grads and any(p is step.param_groups[0]["params"][0] for p in parameters):
            named = {id(p): key for key, p in model.net.named_parameters()}
            grads.update({named[id(p)]: p.grad.clone() for p in parameters})
        return norm

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", recording)
    for iteration, recorded in enumerate(meta["losses"], 1):
        model.feed_data({"lq": lq, **drawn(meta, images, choices)})
        model.optimize_parameters(iteration)
        logs = model.get_current_log()
        rtol = limits["losses_first_rtol" if iteration == 1 else "losses_second_rtol"]
        for key, value in recorded.items():
            assert logs[NAMES.get(key, key)] == pytest.approx(value, rel=rtol, abs=1e-5), key
        if iteration == 1:
            check_first(case, model, grads, limits["grad_rtol"])
    assert not choices
    for net, key in ((model.net, "g_after"), (model.ema.net, "ema_after")):
        with torch.no_grad():
            found = net(lq[:1])[..., ::2, ::2]
        atol = limits["outputs_after_atol"]
        np.testing.assert_allclose(found.numpy(), case[key], rtol=0, atol=atol, err_msg=key)


def check_first(case: Case, model: Any, grads: dict[str, Tensor], rtol: float) -> None:
    for key, norm in case.meta["grad_norm_g_first"].items():
        assert grads[key].norm().item() == pytest.approx(norm, rel=5 * rtol, abs=1e-7), key
    for key in case.arrays:
        kind, _, name = key.partition("/")
        if kind == "grad_g_first":
            scale = np.abs(case[key]).max()
            np.testing.assert_allclose(
                grads[name].numpy(), case[key], rtol=0, atol=rtol * scale, err_msg=key
            )
        elif kind in ("g_first", "ema_first"):
            net = model.net if kind == "g_first" else model.ema.net
            weights = net.state_dict()[name].numpy()
            # A gradient near zero may turn its sign, and Adam's first step with it.
            assert (np.abs(weights - case[key]) < 2e-6).mean() > 0.98, key
