"""Super-resolution from positive and negative ground truths, through the real programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.models import build_model
from smoothkit.ops.io import read_image, write_image
from smoothkit.test import main as evaluate
from smoothkit.train import main as train
from support.hggt import make_folder, make_hggt_demo
from support.runs import assert_same, losses, told, weights

TINY = Path(__file__).parents[2] / "options/train/hggt_sr/tiny.yml"
SMALL = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 4}
ADAM = {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]}
VAL = {
    "name": "Set5",
    "type": "PairedImageDataset",
    "dataroot_gt": "gt",
    "dataroot_lq": "lq",
    "io_backend": {"type": "disk"},
}
OURS: dict[str, Any] = {
    "name": "sr",
    "scale": 4,
    "num_gpu": 0,
    "manual_seed": 0,
    "degradation": {"gt_size": 32, "pool_size": 4},
    "datasets": {
        "train": {
            "name": "HGGT",
            "type": "HggtDataset",
            "dataroot_gt": "images",
            "dataroot_labels": "labels",
            "batch_size_per_gpu": 2,
            "num_worker_per_gpu": 1,
        },
        "val": VAL,
    },
    "network_g": {"type": "RRDBPSNet", **SMALL},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train": {
        "total_iter": 8,
        "ema_decay": 0.9,
        "optim_g": ADAM,
        "optim_d": ADAM,
        "scheduler": {"type": "MultiStepLR", "milestones": [6], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss"},
        "negative_opt": {"type": "NegativeGTLoss", "loss_weight": 1.0},
        "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    },
    "val": {"val_freq": 8, "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 4}}},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 4},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path)
    return tmp_path


def write(options: dict[str, Any], **changes: Any) -> str:
    options = {**options, **changes}
    Path("sr.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    return "sr.yml"


def test_a_run_that_was_stopped_ends_with_the_same_bits(folder: Path) -> None:
    assert train(["-opt", write(OURS)]) == 0
    whole = {key: weights(8, "sr", key=key) for key in ("params", "params_ema")}
    critic = torch.load("experiments/sr/models/net_d_8.pth", weights_only=True)["params"]
    logged = losses("sr")
    half = {**OURS["train"], "total_iter": 4}
    assert train(["-opt", write(OURS, name="cut", train=half)]) == 0
    assert train(["-opt", write(OURS, name="cut"), "--auto_resume"]) == 0
    for key, value in whole.items():
        assert_same(value, weights(8, "cut", key=key))
    again = torch.load("experiments/cut/models/net_d_8.pth", weights_only=True)["params"]
    assert_same(critic, again)
    assert losses("cut") == logged


def test_every_loss_is_logged_and_the_network_learns(folder: Path) -> None:
    longer = {**OURS["train"], "total_iter": 60, "scheduler": None}
    assert train(["-opt", write(OURS, train=longer, logger={"print_freq": 1})]) == 0
    lines = [line for line in told("sr") if "l_total" in line]
    names = {"l_pixel", "l_negative", "l_gan", "l_total", "l_d_real", "l_d_fake"}
    assert names | {"out_d_real", "out_d_fake"} <= set(lines[0])
    first, last = (sum(line["l_pixel"] for line in part) / 10 for part in (lines[:10], lines[-10:]))
    assert last < 0.7 * first
    assert all(line["l_negative"] <= 0 for line in lines)


def test_the_tiny_file_learns_and_goes_on_with_the_same_bits(tmp_path: Path, monkeypatch) -> None:
    make_hggt_demo(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert smoothkit_main(["check", "-opt", str(TINY)]) == 0
    assert train(["-opt", str(TINY), "--force_yml", "train:total_iter=10"]) == 0
    assert train(["-opt", str(TINY), "--auto_resume"]) == 0
    assert train(["-opt", str(TINY), "--force_yml", "name=whole"]) == 0
    for key in ("params", "params_ema"):
        assert_same(weights(20, "RRDBGAN_tiny", key=key), weights(20, "whole", key=key))
    curve = {line["iter"]: line for line in told("whole") if "l_total" in line}
    assert {"l_pixel", "l_negative", "l_gan", "l_d_real", "l_d_fake"} <= set(curve[20])
    assert curve[20]["l_pixel"] < curve[5]["l_pixel"]
    assert curve[20]["l_negative"] < 0


PUBLISHED: dict[str, Any] = {
    "name": "published",
    "model_type": "Ours_PosNegGT_Model",
    "scale": 4,
    "num_gpu": 0,
    "manual_seed": 0,
    "pre_pad": 0,
    "tile_process": True,
    "tile_size": 8,
    "tile_pad": 4,
    "queue_size": 4,
    "gt_size": 32,
    "resize_prob": [0.1, 0.85, 0.05],
    "resize_range": [0.8, 1.2],
    "gaussian_noise_prob": 0.5,
    "noise_range": [1, 12],
    "poisson_scale_range": [0.05, 0.8],
    "gray_noise_prob": 0.2,
    "jpeg_range": [75, 95],
    "datasets": {
        "train": {
            "name": "HGGT",
            "type": "PosNegGTPosNeg_Dataset",
            "dataroot_all_gt": "images",
            "dataroot_all_json": "labels",
            "gt_size": 32,
            "io_backend": {"type": "disk"},
            "blur_kernel_size_min": 1,
            "blur_kernel_size_max": 4,
            "kernel_list": ["iso", "aniso"],
            "kernel_prob": [0.7, 0.3],
            "sinc_prob": 0.01,
            "blur_sigma": [0.1, 1.0],
            "betag_range": [0.1, 2.0],
            "betap_range": [0.1, 1.0],
            "use_hflip": True,
            "use_rot": False,
            "use_shuffle": True,
            "num_worker_per_gpu": 1,
            "batch_size_per_gpu": 2,
            "dataset_enlarge_ratio": 1,
            "prefetch_mode": None,
        },
        "val": VAL,
    },
    "network_g": {"type": "RRDBPSNet", "scale": 4, **SMALL},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4,
                  "skip_connection": True},
    "path": {"pretrain_network_g": None, "param_key_g": "params_ema", "strict_load_g": True,
             "resume_state": None},
    "train": {
        "ema_decay": 0.999,
        "optim_g": {**ADAM, "weight_decay": 0},
        "optim_d": {**ADAM, "weight_decay": 0},
        "scheduler": {"type": "MultiStepLR", "milestones": [6], "gamma": 0.5},
        "total_iter": 6,
        "warmup_iter": -1,
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        "neg_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "real_label_val": 1.0,
                    "fake_label_val": 0.0, "loss_weight": 0.1},
        "net_d_iters": 1,
        "net_d_init_iters": 0,
    },
    "val": {"val_freq": 6, "save_img": True, "metrics": {
        "psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": False}}},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 3, "use_tb_logger": False,
               "wandb": {"project": None, "resume_id": None}},
    "dist_params": {"backend": "nccl", "port": 29500},
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("Ours_Model", "PosNegGTOriDataset"),
        ("Ours_PosGT_Model", "PosNegGTPosDataset"),
        ("Ours_PosNegGT_Model", "PosNegGTPosNeg_Dataset"),
        ("LDL_PosGT_Model", "PosNegGTPosDataset"),
        ("LDL_Model", "OneStageDegradation_DF2K_Dataset"),
        ("LDL_noGAN_Model", "OneStageDegradation_DF2K_Dataset"),
        ("RealESRNet_Model", "TwoStageDegradation_DF2K_Dataset"),
        ("RealESRGAN_Model", "TwoStageDegradation_DF2K_Dataset"),
        ("RealESRGAN_PosGT_Model", "TwoStageDegradation_PosNegGTPos_Dataset"),
        ("AdaTarget_Model", "OneStageDegradation_DF2K_Dataset"),
        ("AdaTarget_PosGT_Model", "PosNegGTPosDataset"),
    ],
)
def test_published_files_train_resume_and_test(folder: Path, model: str, data: str) -> None:
    options = published(model, data)
    options["train"]["total_iter"] = 3
    assert train(["-opt", write(options)]) == 0
    options["train"]["total_iter"] = 6
    assert train(["-opt", write(options), "--auto_resume"]) == 0
    assert max(losses("published")) == 6
    network = Path("experiments/published/models/net_g_6.pth")
    held = torch.load(network, weights_only=True)
    assert {"params", "params_ema"} <= held.keys()
    test = {
        key: options[key]
        for key in ("scale", "num_gpu", "manual_seed", "pre_pad", "tile_process", "tile_size",
                    "tile_pad", "network_g")
    }  # fmt: skip
    test |= {"name": "tested", "model_type": model, "datasets": {"test_1": VAL}}
    test |= {"path": {"pretrain_network_g": str(network), "param_key_g": "params_ema"}}
    test |= {"val": {"save_img": True, "suffix": "Su", "metrics": options["val"]["metrics"]}}
    assert evaluate(["-opt", write(test)]) == 0
    assert len(list(Path("results/tested/visualization/Set5").glob("*_Su.png"))) == 4
    assert json.loads(Path("results/tested/metrics.json").read_text())["Set5"]["psnr"]["count"] == 4


def test_a_published_file_builds_its_model_in_python(folder: Path) -> None:
    options = published("Ours_PosNegGT_Model", "PosNegGTPosNeg_Dataset")
    model = build_model({**options, "is_train": True})
    assert set(model.terms) == {"pixel", "negative"}
    assert model.critic is not None
    assert options["model_type"] == "Ours_PosNegGT_Model"


def published(model: str, data: str) -> dict[str, Any]:
    """A file of the published kind, for this model and data set."""
    options = json.loads(json.dumps(PUBLISHED))
    options["model_type"] = model
    train_set, losses_of = options["datasets"]["train"], options["train"]
    train_set["type"] = data
    if "DF2K" in data:
        train_set["dataroot_all_gt"] = "gt"
        train_set.pop("dataroot_all_json")
    if "Neg" not in model.removeprefix("Ours_"):
        losses_of.pop("neg_opt")
    if model == "Ours_Model":
        losses_of["pixel_opt_o"] = losses_of.pop("pixel_opt")
    if model in ("LDL_noGAN_Model", "RealESRNet_Model"):
        options.pop("network_d")
        for key in ("gan_opt", "optim_d", "net_d_iters", "net_d_init_iters"):
            losses_of.pop(key)
        options["gt_usm"] = True
    if model in ("LDL_Model", "LDL_PosGT_Model"):
        losses_of["ldl_opt"] = {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"}
    if model in ("LDL_Model", "RealESRGAN_Model", "AdaTarget_Model"):
        options |= {"l1_gt_usm": True, "percep_gt_usm": True, "gan_gt_usm": False}
    if model.startswith("RealESR"):
        second = ("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range",
                  "poisson_scale_range", "gray_noise_prob", "jpeg_range")  # fmt: skip
        options |= {f"{key}2": options[key] for key in second} | {"second_blur_prob": 0.8}
        kernels = ("kernel_list", "kernel_prob", "sinc_prob", "blur_sigma", "betag_range",
                   "betap_range", "blur_kernel_size_min", "blur_kernel_size_max")  # fmt: skip
        train_set |= {f"{key}2": train_set[key] for key in kernels} | {"final_sinc_prob": 0.1}
    if model.startswith("AdaTarget"):
        options["network_g"] = {"type": "RRDBAdaNet", "in_nc": 3, "out_nc": 3, "nf": 4, "nb": 1,
                                "gc": 4}  # fmt: skip
        losses_of.pop("pixel_opt")
        losses_of |= {"adatarget_opt": {"type": "AdaTargetLoss", "loss_weight": 1.0},
                      "optim_loc": losses_of["optim_g"]}  # fmt: skip
        options |= {"network_loc": {"type": "LocNet"}, "k_size": 7, "s_size": 9, "gt_size": 56,
                    "load_mode_g": "my_pretrain", "load_mode_loc": "my_pretrain",
                    "Use_sharpen": True, "path_loc": {"pretrain_network_loc": None,
                    "param_key_loc": "params", "strict_load_loc": True}}  # fmt: skip
    return options


def test_labelled_pairs_train_and_validate(folder: Path) -> None:
    for path in Path("lq").iterdir():
        write_image(f"small/original/{path.name}", read_image(path))
    pairs = {"type": "LabelledPairDataset", "dataroot_gt": "images", "dataroot_lq": "small",
             "dataroot_labels": "labels", "name": "pairs"}  # fmt: skip
    options = {key: value for key, value in OURS.items() if key not in ("degradation", "network_d")}
    options["datasets"] = {
        "train": {**pairs, "gt_size": 32, "batch_size_per_gpu": 2, "num_worker_per_gpu": 0},
        "val": {**pairs, "only_positive": False},
    }
    options["train"] = {
        "total_iter": 4, "optim_g": ADAM, "pixel_opt": {"type": "L1Loss"}
    }  # fmt: skip
    options["val"] = {**OURS["val"], "val_freq": 2}
    assert train(["-opt", write(options)]) == 0
    assert [line["val"]["psnr"] for line in told("sr") if "val" in line]


def test_a_validation_set_without_low_quality_images_is_refused(folder: Path, capfd) -> None:
    val = {"type": "GroundTruthDataset", "name": "v", "dataroot_gt": "gt"}
    datasets = {**OURS["datasets"], "val": val}
    options = write(OURS, datasets=datasets, val={**OURS["val"], "val_freq": 1})
    assert train(["-opt", options]) == 2
    assert "this data set gives no 'lq', the image to restore" in capfd.readouterr().err
