"""The precision of networks that losses judge by."""

from __future__ import annotations

import pytest
import torch

from smoothkit.core import devices
from smoothkit.core.errors import OptionError
from smoothkit.losses import build_loss
from smoothkit.losses.judging import Judging

CPU = torch.device("cpu")
LOSSES = {
    "StyleTripletLoss": {"weights": "random", "margin": 1.0},
    "ContrastRatioLoss": {"weights": "random"},
    "SegmentationLoss": {"weights": "random", "network": {"type": "DeepLabV3Plus"}},
}


def dtype_in(judging: Judging) -> torch.dtype:
    with judging.on(CPU):
        return torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype


def test_off_runs_in_float32_and_bf16_in_bf16() -> None:
    assert dtype_in(Judging("off")) == torch.float32
    assert dtype_in(Judging("bf16")) == torch.bfloat16


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_asks_the_hardware_once(fast: bool, dtype: torch.dtype, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: asked.append(1) or fast)
    judging = Judging("auto")
    assert [dtype_in(judging), dtype_in(judging)] == [dtype, dtype]
    assert len(asked) == 1


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_judged_in_bf16_is_near_that_in_float32_and_stays_float32(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(2, 3, 32, 32, generator=generator) for _ in range(3)]
    labels = torch.randint(0, 21, (2, 32, 32), generator=generator)
    others = [labels] if name == "SegmentationLoss" else images[1:]
    found = {}
    for amp in ("off", "bf16"):
        pred = images[0].clone().requires_grad_()
        value = build_loss({"type": name, **LOSSES[name], "amp": amp})(pred, *others)
        value.backward()
        assert value.dtype == torch.float32
        found[amp] = value.item(), pred.grad.flatten()
    assert found["bf16"][0] == pytest.approx(found["off"][0], rel=0.05)
    assert found["bf16"][0] != found["off"][0]
    assert torch.cosine_similarity(found["bf16"][1], found["off"][1], dim=0) > 0.9


def test_another_precision_is_refused() -> None:
    with pytest.raises(OptionError, match="amp"):
        build_loss({"type": "StyleTripletLoss", "weights": "random", "amp": "fp16"})
