"""Two whole training steps of enhancement against recorded ones, from the published options."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothkit.models import build_model
from support.fill import fill
from support.oracle import Case
from support.vgg import write_vgg19_by_index

# Our names of the losses by those that the published model logs.
NAMES = {"l_g_pix": "l_pixel", "l_g_percep": "l_perceptual", "l_g_gan": "l_gan"}


@pytest.fixture(autouse=True)
def vgg(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_vgg19_by_index(tmp_path / "checkpoints/vgg19-dcbb9e9d.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))


def unit_norms(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Filled weights whose vectors of spectral norms have length 1."""
    vectors = ("weight_u", "weight_v")
    return {k: v / v.norm() if k.endswith(vectors) else v for k, v in fill(state).items()}


def test_two_steps_are_the_published_ones() -> None:
    case = Case("hggt_enhance", "train_step_rcan")
    limits = case.meta["tolerance"]
    model = build_model({**case.meta["opt"], "model_type": "EnhancementModel"})
    model.net.load_state_dict(fill(model.net.state_dict()))
    model.critic.net.load_state_dict(unit_norms(model.critic.net.state_dict()))
    batch = {"lq": case.tensor("lq"), "gt": case.tensor("gt")}
    for iteration, recorded in enumerate(case.meta["losses"], 1):
        with torch.no_grad():
            output = model.net(batch["lq"]).numpy()
        atol = limits["outputs_atol"]
        np.testing.assert_allclose(output, case[f"output_step{iteration}"], rtol=0, atol=atol)
        model.feed_data(batch)
        model.optimize_parameters(iteration)
        logs = model.get_current_log()
        for key, value in recorded.items():
            expected = pytest.approx(value, rel=limits["losses_rtol"])
            assert logs[NAMES.get(key, key)] == expected, key
    assert logs["l_total"] == pytest.approx(sum(recorded[key] for key in NAMES), rel=1e-4)
    state = {f"g__{key}": value for key, value in model.net.state_dict().items()}
    state |= {f"d__{key}": value for key, value in model.critic.net.state_dict().items()}
    weights = {key.replace(".", "__"): value.numpy() for key, value in state.items()}
    compared = [key for key in case.arrays if key.startswith(("g__", "d__"))]
    assert len(compared) == 6
    for key in compared:
        # A gradient near zero may turn its sign, and Adam's step with it.
        is_close = np.abs(weights[key] - case[key]) < limits["parameters_atol"]
        assert is_close.mean() >= 0.98, key
