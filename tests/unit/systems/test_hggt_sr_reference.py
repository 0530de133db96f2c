"""Published option files become those that are shipped in our form."""

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

OPTIONS = Path(__file__).parents[3] / "options/train/hggt_sr"
SET = {"original": "PosNegGTOriDataset", "positive": "PosNegGTPosDataset",
       "positive_negative": "PosNegGTPosNeg_Dataset"}  # fmt: skip
# Which of the published models each file is for; its positive sets are those of the GAN files.
MODELS = {
    "RRDB_DF2K_OST_Blind": "Ours_Model",
    "RRDBGAN_PosNegGT_Blind_Ori": "Ours_Model",
    "RRDBGAN_PosNegGT_Blind_Pos": "Ours_PosGT_Model",
    "RRDBGAN_PosNegGT_Blind_Pos+Neg": "Ours_PosNegGT_Model",
    "SwinIR_DF2K_OST_Blind": "Ours_Model",
    "SwinIRGAN_PosNegGT_Blind_Ori": "Ours_Model",
    "SwinIRGAN_PosNegGT_Blind_Pos": "Ours_PosGT_Model",
    "SwinIRGAN_PosNegGT_Blind_Pos+Neg": "Ours_PosNegGT_Model",
    "LDL_noGAN_DF2K_OST_Blind": "LDL_noGAN_Model",
    "LDL_DF2K_OST_Blind": "LDL_Model",
    "LDL_PosNegGT_Blind_Pos": "LDL_PosGT_Model",
    "RealESRNet_DF2K_OST_Blind": "RealESRNet_Model",
    "RealESRGAN_DF2K_OST_Blind": "RealESRGAN_Model",
    "RealESRGAN_PosNegGT_Blind_Pos": "RealESRGAN_PosGT_Model",
    "AdaTarget_DF2K_OST_Blind": "AdaTarget_Model",
    "AdaTargetGAN_DF2K_OST_Blind": "AdaTarget_Model",
    "AdaTargetGAN_PosNegGT_Blind_Pos": "AdaTarget_PosGT_Model",
}


@pytest.mark.parametrize("name", MODELS)
def test_a_published_file_is_read_as_ours(name: str, tmp_path: Path) -> None:
    ours = thaw(read_options(OPTIONS / f"train_{name}_x4.yml").data)
    path = tmp_path / "published.yml"
    path.write_text(yaml.safe_dump(as_published(ours, MODELS[name])))
    read, unread = in_our_form(read_options(path))
    found = thaw(read.data)
    assert found["degradation"].pop("sharpen") == ours["degradation"].pop("sharpen", False)
    for section in ("scale", "degradation", "network_g", "path", "train", "val", "logger"):
        assert found[section] == ours[section], section
    assert found.get("network_d") == ours.get("network_d")
    assert found["datasets"]["train"] == ours["datasets"]["train"]
    assert unread == []


def as_published(ours: dict[str, Any], model: str) -> dict[str, Any]:
    """The file as its authors write it: flat, by their names."""
    theirs = {**thaw(ours), "model_type": model}
    degradation = theirs.pop("degradation")
    data = theirs["datasets"]["train"]
    theirs |= {"gt_size": degradation["gt_size"], "queue_size": degradation["pool_size"]}
    for suffix, stage in zip(("", "2"), degradation["stages"], strict=False):
        flatten(stage, suffix, theirs, data)
    if "final_sinc_prob" in degradation:
        data["final_sinc_prob"] = degradation["final_sinc_prob"]
    is_two_stage = len(degradation["stages"]) == 2
    data["dataroot_all_gt"] = data.pop("dataroot_gt")
    if "dataroot_labels" in data:
        data["dataroot_all_json"] = data.pop("dataroot_labels")
        kind = SET[data.pop("use")]
        data["type"] = "TwoStageDegradation_PosNegGTPos_Dataset" if is_two_stage else kind
    else:
        data["type"] = f"{'Two' if is_two_stage else 'One'}StageDegradation_DF2K_Dataset"
    if theirs["network_g"]["type"] == "HggtSwinIR":
        theirs["network_g"]["type"] = "SwinIR"
    rename_losses(theirs, model)
    return theirs


def flatten(stage: dict[str, Any], suffix: str, top: dict[str, Any], data: dict[str, Any]) -> None:
    blur = stage.pop("blur")
    top |= {f"{key}{suffix}": value for key, value in stage.items()}
    if suffix:
        top["second_blur_prob"] = blur.pop("prob")
    least, most = blur.pop("half_size")
    data |= {f"blur_kernel_size_min{suffix}": least, f"blur_kernel_size_max{suffix}": most}
    data[f"blur_sigma{suffix}"] = blur.pop("sigma")
    data |= {f"{key}{suffix}": value for key, value in blur.items()}


def rename_losses(theirs: dict[str, Any], model: str) -> None:
    train = theirs["train"]
    sharp = {key for key, value in train.items() if isinstance(value, dict) and
             value.pop("target", None) == "sharp"}  # fmt: skip
    if model in ("LDL_noGAN_Model", "RealESRNet_Model"):
        theirs["gt_usm"] = True  # in the degradation of ours
    elif model in ("LDL_Model", "RealESRGAN_Model", "AdaTarget_Model"):
        theirs |= {"l1_gt_usm": bool(sharp & {"pixel_opt", "adatarget_opt"}),
                   "percep_gt_usm": True, "gan_gt_usm": "gan_opt" in sharp}  # fmt: skip
    if model == "Ours_Model":
        train["pixel_opt_o"] = train.pop("pixel_opt")
    if "negative_opt" in train:
        train["neg_opt"] = {"type": "L1Loss", "reduction": "mean",
                            "loss_weight": train.pop("negative_opt")["loss_weight"]}  # fmt: skip
    if "ldl_opt" in train:
        train["ldl_opt"] = {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"}
    if model.startswith("AdaTarget"):
        train.pop("grad_clip")
        section = train["adatarget_opt"]
        theirs |= {key: section.pop(key) for key in ("k_size", "s_size")}
        theirs["network_loc"] = section.pop("network")
        if model == "AdaTarget_Model":
            theirs["Use_sharpen"] = bool(sharp)
        loc = {key: value for key, value in theirs["path"].items() if key.endswith("_loc")}
        theirs["path"] = {k: v for k, v in theirs["path"].items() if k not in loc}
        theirs["path_loc"] = loc


def read(options: dict[str, Any], path: Path) -> tuple[dict[str, Any], list[str]]:
    path.write_text(yaml.safe_dump(options))
    found, unread = in_our_form(read_options(path))
    return thaw(found.data), unread


def published(name: str) -> dict[str, Any]:
    ours = thaw(read_options(OPTIONS / f"train_{name}_x4.yml").data)
    return as_published(ours, MODELS[name])


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
         "train.net_d_reg_every", "path.load_mode_g", "val.foo", "logger.foo"]
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
    assert (fault.where, unread) == ("network_g.nf", [])


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
