from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from smoothkit.core.errors import DataError
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.core.weights import find_checkpoint
from smoothkit.systems.jess.reference import infer_network


def weights(**spec: object) -> dict[str, Tensor]:
    with torch.device("meta"):
        state: dict[str, Tensor] = ARCH_REGISTRY.build(spec, where="test").state_dict()
    return state


@pytest.mark.parametrize("name", ["SmoothingBaseline", "HDCNet", "HDCEdgeNet", "JESSNet"])
@pytest.mark.parametrize("num_block", [1, 12])
def test_a_network_is_inferred_from_its_weights(name: str, num_block: int) -> None:
    spec = {"type": name, "in_c": 1, "out_c": 2, "dim": 4, "num_block": num_block}
    assert infer_network(weights(**spec)) == spec


@pytest.mark.parametrize(
    ("alias", "name"),
    [("Baseline", "SmoothingBaseline"), ("HDR_edge", "HDCEdgeNet"), ("HDC_edge_refine", "JESSNet")],
)
def test_an_inferred_network_has_its_descriptive_name(alias: str, name: str) -> None:
    spec = infer_network(weights(type=alias))
    assert spec is not None
    assert spec["type"] == name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("descriptor.res16.", "descriptor.des."),
        ("interpreter2.9.", "egnl.z."),
        ("interpreter2.3.conv_3x3_1.", "cbam1.ChannelGate.mlp.1."),
        ("refine.9.", "refine.4."),
        ("refine.9.", "frefine.9."),
        ("refine.", "module.refine."),
    ],
    ids=["other descriptor", "non-local", "attention", "pyramid", "Fourier branch", "prefix"],
)
def test_variants_are_left_to_others(old: str, new: str) -> None:
    state = {name.replace(old, new): value for name, value in weights(type="JESSNet").items()}
    assert infer_network(state) is None


def test_foreign_weights_are_left_to_others() -> None:
    assert infer_network({}) is None
    assert (
        infer_network({"descriptor.weight": torch.zeros(1), "interpreter.0": torch.zeros(1)})
        is None
    )
    assert infer_network({"conv_first.weight": torch.zeros(64, 3, 3, 3)}) is None


PUBLISHED = "epoch 224_ssim 0.922825_psnr 31.733277"


@pytest.mark.parametrize("stored", [PUBLISHED, f"{PUBLISHED} "])
@pytest.mark.parametrize("asked", [PUBLISHED, f"{PUBLISHED} "])
def test_a_trailing_blank_does_not_matter(tmp_path: Path, stored: str, asked: str) -> None:
    (tmp_path / stored).touch()
    assert find_checkpoint(str(tmp_path / asked)) == tmp_path / stored


@pytest.mark.parametrize("asked", [PUBLISHED, f"{PUBLISHED} "])
def test_the_exact_name_comes_first(tmp_path: Path, asked: str) -> None:
    for name in (PUBLISHED, f"{PUBLISHED} "):
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path / asked) == tmp_path / asked


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"net\.pth: no such checkpoint"):
        find_checkpoint(tmp_path / "net.pth")
