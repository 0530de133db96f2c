"""The shipped ``tiny.yml`` of every system trains on the accelerator, in every precision."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smoothkit.core.options import read_options
from smoothkit.engine import training
from support.gpu import need_basicsr, skipped_without_basicsr
from support.runs import assert_same, losses, told, weights
from support.tiny import FILES, make_data

pytestmark = pytest.mark.gpu

DTYPES = {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# How far the first loss may lie from that of float32 on the CPU, which has the same weights and
# data. bf16 keeps 8 bits of a number; the degradation draws its noise from the device's generator.
FIRST_LOSS = {"off": 1e-4, "bf16": 0.02, "fp16": 0.02}
OF_OTHER_NOISE = 0.2
SHORT = ("num_gpu=1", "val:val_freq=4", "logger:print_freq=1", "logger:save_checkpoint_freq=2")
SHORT = (*SHORT, "logger:use_tb_logger=false")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data that all of the files name."""
    root = tmp_path_factory.mktemp("tiny")
    for system in FILES:
        make_data(system, root)
    return root


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def train(system: str, name: str, *overrides: str, auto_resume: bool = False) -> None:
    """Run a tiny file under another name for 4 iterations."""
    chosen = [f"name={name}", "train:total_iter=4", *SHORT, *overrides]
    with skipped_without_basicsr(f"the training of {system}"):
        assert training.train(FILES[system], auto_resume=auto_resume, overrides=chosen) == 0


class Watch:
    """The model of a training: its first weights, and what its convolutions gave while it learned.

    Args:
        model: just built.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        params = model.net.named_parameters()
        self.start = {name: value.detach().cpu().clone() for name, value in params}
        self.dtypes: set[torch.dtype] = set()
        for layer in model.net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(self._note)

    def _note(self, layer: nn.Module, _: Any, output: Tensor) -> None:
        if layer.training:
            self.dtypes.add(output.dtype)

    def tensors(self) -> Iterator[Tensor]:
        """Everything that has to be on the device."""
        critic, ema = self.model.critic, self.model.ema
        terms = [term.loss for term in self.model.terms.values()]
        parts = [self.model.net, *terms, critic and critic.net, ema and ema.net]
        for part in parts:
            if isinstance(part, nn.Module):
                yield from (*part.parameters(), *part.buffers())


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watch]:
    """Gets the model of every training of the test."""
    found: list[Watch] = []
    build = training.build_model

    def watch(*args: Any) -> Any:
        found.append(Watch(build(*args)))
        return found[-1].model

    monkeypatch.setattr(training, "build_model", watch)
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, float]:
    """First losses on the CPU, by system, once they have been asked for."""
    return {}


def first_loss(system: str, known: dict[str, float]) -> float:
    """The total loss of the first iteration in float32 on the CPU."""
    if system not in known:
        train(system, f"{system}_cpu", "num_gpu=0", "train:total_iter=1")
        known[system] = losses(f"{system}_cpu")[1]
    return known[system]


@pytest.mark.parametrize("amp", DTYPES)
@pytest.mark.parametrize("system", FILES)
def test_a_tiny_file_trains_validates_and_saves(
    system: str,
    amp: str,
    device: torch.device,
    watched: list[Watch],
    known: dict[str, float],
) -> None:
    expected = first_loss(system, known)
    watched.clear()
    name = f"{system}_{amp}"
    tf32 = "tf32=false" if amp == "off" else "tf32=true"
    train(system, name, f"train:amp={amp}", tf32)
    (watch,) = watched
    assert {tensor.device for tensor in watch.tensors()} == {device}
    assert DTYPES[amp] in watch.dtypes
    assert watch.dtypes <= {DTYPES[amp], torch.float32}  # LSA's last layer is exact on purpose
    curve = losses(name)
    assert len(curve) == 4
    assert all(map(math.isfinite, curve.values()))
    has_noise = "degradation" in read_options(FILES[system]).data
    share = OF_OTHER_NOISE if has_noise else FIRST_LOSS[amp]
    assert curve[1] == pytest.approx(expected, rel=share)
    end = weights(4, name)
    assert any(not torch.equal(end[key], value) for key, value in watch.start.items())
    assert [line["iter"] for line in told(name) if "val" in line] == [4]


@pytest.mark.parametrize("system", ["jess", "hggt_sr"])
def test_a_run_that_was_stopped_ends_with_the_same_bits(system: str) -> None:
    exact = ("deterministic=true", "tf32=false")
    train(system, f"{system}_whole", *exact)
    train(system, f"{system}_cut", *exact, "train:total_iter=2")
    train(system, f"{system}_cut", *exact, auto_resume=True)
    assert_same(weights(4, f"{system}_whole"), weights(4, f"{system}_cut"))
    whole, cut = losses(f"{system}_whole"), losses(f"{system}_cut")
    assert cut == whole


def test_a_deterministic_run_prepares_cublas_by_itself(
    run_python: Callable[..., Any], device: torch.device
) -> None:
    if device.type != "cuda":
        pytest.skip("cuBLAS is on CUDA only")
    need_basicsr("the training of hggt_sr")
    chosen = ("name=fresh", "train:total_iter=1", *SHORT, "deterministic=true")
    file = str(FILES["hggt_sr"])  # whose JPEG multiplies matrices
    environment = {k: v for k, v in os.environ.items() if k != "CUBLAS_WORKSPACE_CONFIG"}
    done = run_python("-m", "smoothkit.train", "-opt", file, "--force_yml", *chosen,
                      env=environment)  # fmt: skip
    assert done.returncode == 0, done.stderr
