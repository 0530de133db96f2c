"""What becomes of single keys of published option files, and which network weights are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from smoothkit.archs import build_network
from smoothkit.core.errors import OptionError
from smoothkit.core.options import read_options, thaw
from smoothkit.engine.check import check
from smoothkit.engine.published import in_our_form
from smoothkit.models.infer import infer_network
from support.pins import nested, read_pins

PUBLISHED = read_pins(Path(__file__).parents[1] / "pins/published/hggt_sr.yml")


def read(options: dict[str, Any], path: Path) -> tuple[dict[str, Any], list[str]]:
    path.write_text(yaml.safe_dump(options))
    found, unread = in_our_form(read_options(path))
    return thaw(found.data), unread


def published(name: str) -> dict[str, Any]:
    return {"name": name, **nested(PUBLISHED[f"train/hggt_sr/train_{name}_x4.yml"])}


def test_keys_that_the_published_code_never_reads_are_listed(tmp_path: Path) -> None:
    options = published("RRDBGAN_PosNegGT_Blind_Pos")
    options |= {"gt_usm": True, "l1_gt_usm": True, "pre_pad": 10, "Use_sharpen": True}
    options["datasets"]["train"] |= {"gt_size": 128, "final_sinc_prob": 0.5, "mean": None}
    options["train"] |= {"neg_opt": {"type": "L1Loss"}, "net_d_reg_every": 16}
    options["path"]["load_mode_g"] = "x"
    options["val"]["foo"] = options["logger"]["foo"] = 1
    found, unread = read(options, tmp_path / "o.yml")
    assert sorted(unread) == sorted(
        ["gt_usm", "l1_gt_usm", "pre_pad", "Use_sharpen", "datasets.train.gt_size",
         "datasets.train.final_sinc_prob", "datasets.train.mean", "train.neg_opt",
         "train.net_d_reg_every", "path.load_mode_g", "val.foo", "logger.foo",
         "datasets.train.io_backend"]
    )  # fmt: skip
    assert check(read_options(tmp_path / "o.yml").with_data(found)).faults == []
    assert "final_sinc_prob" not in found["degradation"]
    assert found["degradation"]["gt_size"] == 256
    assert "negative_opt" not in found["train"]


def test_what_is_passed_on_whole_is_refused_by_name(tmp_path: Path) -> None:
    options = published("RRDBGAN_PosNegGT_Blind_Pos")
    options["network_g"]["nf"] = 64
    found, unread = read(options, tmp_path / "o.yml")
    (fault,) = check(read_options(tmp_path / "o.yml").with_data(found)).faults
    assert (fault.where, unread) == ("network_g.nf", ["datasets.train.io_backend"])


def test_adatarget_needs_its_second_network(tmp_path: Path) -> None:
    options = published("AdaTarget_DF2K_OST_Blind")
    del options["network_loc"]
    with pytest.raises(OptionError, match="network_loc: is missing: the network that moves"):
        read(options, tmp_path / "o.yml")


def test_a_folder_with_other_capitals_is_found(tmp_path: Path) -> None:
    (tmp_path / "images/original").mkdir(parents=True)
    test = {"type": "PairedImageDataset", "dataroot_lq": "lq", "name": "Test-100",
            "dataroot_gt": str(tmp_path / "images/Original")}  # fmt: skip
    options = {"name": "x", "model_type": "Ours_Model", "datasets": {"test_1": test}}
    found, _ = read(options, tmp_path / "o.yml")
    assert found["datasets"]["test_1"]["dataroot_gt"] == str(tmp_path / "images/original")


SMALL_RRDB = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2, "num_grow_ch": 4}
SMALL_SWINIR = {"embed_dim": 12, "depths": [2, 4], "num_heads": [2, 3], "img_size": 16,
                "window_size": 4, "mlp_ratio": 2}  # fmt: skip


@pytest.mark.parametrize(
    "section",
    [
        {"type": "RRDBPSNet", "scale": 4, **SMALL_RRDB},
        {"type": "RRDBPSNet", "scale": 3, **SMALL_RRDB},
        {"type": "RRDBNet", "scale": 4, **SMALL_RRDB},
        {"type": "RRDBNet", "scale": 2, **SMALL_RRDB},
        {"type": "BSRGANRRDBNet", "in_nc": 3, "out_nc": 3, "nf": 8, "nb": 2, "gc": 4, "sf": 4},
        {"type": "HggtSwinIR", "upscale": 4, **SMALL_SWINIR},
        {"type": "HggtSwinIR", "upscale": 2, **SMALL_SWINIR, "resi_connection": "3conv"},
    ],
    ids=lambda section: f"{section['type']}_{section.get('scale', section.get('upscale'))}",
)
def test_weights_tell_their_network(section: dict[str, Any]) -> None:
    state = build_network(section).state_dict()
    found = infer_network(state)
    assert found is not None
    assert {key: found[key] for key in section} == section
    assert build_network(found).state_dict().keys() == state.keys()


def test_weights_of_another_swinir_are_left_to_the_options() -> None:
    direct = {"type": "HggtSwinIR", "upsampler": "pixelshuffledirect", **SMALL_SWINIR}
    assert infer_network(build_network(direct).state_dict()) is None
