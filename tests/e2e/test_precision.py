"""Precision, layout, compilation and clipping in real training runs."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core import devices
from smoothkit.train import main as train_main
from support.runs import losses, weights


def curve(tiny, name, **train):
    train.setdefault("total_iter", 20)
    assert train_main(["-opt", str(tiny(f"{name}.yml", name=name, train=train))]) == 0
    return losses(name)


def test_bf16_trains_on_the_cpu_close_to_float32(tiny):
    exact, mixed = curve(tiny, "exact"), curve(tiny, "mixed", amp="bf16")
    assert mixed != exact
    assert mixed[20] == pytest.approx(exact[20], rel=0.2)
    assert all(value.dtype == torch.float32 for value in weights(20, "mixed").values())


@pytest.mark.parametrize("has_bf16", [True, False])
def test_auto_says_what_it_chose(tiny, capfd, monkeypatch, has_bf16):
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has_bf16)
    curve(tiny, "auto", amp="auto", total_iter=1)
    said = "amp: auto takes bf16" if has_bf16 else "amp: auto takes float32"
    assert said in capfd.readouterr().err


def test_bare_off_of_yaml_means_off(tiny):
    path = tiny()
    path.write_text(path.read_text().replace("\ntrain:\n", "\ntrain:\n  amp: off\n"))
    assert train_main(["-opt", str(path)]) == 0


def test_channels_last_gives_the_same_losses(tiny):
    plain, laid_out = curve(tiny, "plain"), curve(tiny, "laid_out", channels_last=True)
    assert laid_out == pytest.approx(plain, rel=1e-4)


def test_clipping_bounds_the_step(tiny):
    sgd = {"optim_g": {"type": "SGD", "lr": 1.0}, "total_iter": 1}
    curve(tiny, "start", **{**sgd, "optim_g": {"type": "SGD", "lr": 0.0}})
    curve(tiny, "clipped", **sgd, grad_clip=0.01)
    curve(tiny, "free", **sgd)

    def moved(name):
        before, after = weights(1, "start"), weights(1, name)
        return sum(float(((after[k] - before[k]) ** 2).sum()) for k in before) ** 0.5

    assert moved("clipped") == pytest.approx(0.01, rel=1e-3)
    assert moved("free") > 0.02


def test_ema_is_the_average_of_the_weights(tiny):
    decay = 0.75
    curve(tiny, "ema", ema_decay=decay, total_iter=3, optim_g={"type": "SGD", "lr": 0.0})
    start = weights(3, "ema")
    path = tiny("ema.yml", name="ema", train={"ema_decay": decay, "total_iter": 3},
                logger={"save_checkpoint_freq": 1})  # fmt: skip
    assert train_main(["-opt", str(path)]) == 0
    name = "body.0.weight"
    expected = start[name]
    for iteration in (1, 2, 3):
        expected = decay * expected + (1 - decay) * weights(iteration, "ema")[name]
    torch.testing.assert_close(weights(3, "ema", key="params_ema")[name], expected)


@pytest.mark.slow
def test_a_compiled_network_trains_and_saves_plain_names(tiny):
    compiled = curve(tiny, "compiled", compile=True, total_iter=3)
    assert compiled == pytest.approx(curve(tiny, "eager", total_iter=3), rel=1e-4)
    assert weights(3, "compiled").keys() == weights(3, "eager").keys()
