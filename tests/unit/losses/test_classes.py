"""Cross entropy of images, in both of its forms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from smoothkit.losses.classes import cross_entropy
from smoothkit.systems.csgis.segmentation import SegmentationLoss
from smoothkit.systems.lsa.loss import MattingClassLoss


@pytest.fixture
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


class Calls(TorchDispatchMode):
    """Notes the names of all operations within."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(str(function))
        return function(*args, **(kwargs or {}))


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 6, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (2, 6, 7), generator=generator)
    labels[:, :2] = 255
    return logits.requires_grad_(), labels


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_the_deterministic_form_has_the_values_and_gradients_of_torchs(reduction):
    logits, labels = drawn()
    results = []
    for function in (cross_entropy, F.cross_entropy):
        loss = function(logits, labels, ignore_index=255, reduction=reduction)
        (grad,) = torch.autograd.grad(loss.square().sum(), logits)
        results.append((loss.detach(), grad))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("loss", ["segmentation", "matting"])
def test_what_cuda_has_no_deterministic_form_of_is_not_called(loss):
    logits, labels = drawn()
    with Calls() as calls:
        if loss == "segmentation":
            SegmentationLoss()(logits, labels).backward()
        else:
            alpha = torch.rand(2, 1, 6, 7)
            MattingClassLoss()(logits[:, :3], alpha, torch.full_like(alpha, 128 / 255)).backward()
    assert "aten.gather.default" in calls.names
    assert not any("nll_loss" in name for name in calls.names)
