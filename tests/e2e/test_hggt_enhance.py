"""Enhancement of ground truths, through the real programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.archs import build_network
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.provenance import NOTE
from smoothkit.data.store import open_store
from smoothkit.inference import main as infer
from smoothkit.ops.io import read_image, write_image
from smoothkit.test import main as evaluate
from smoothkit.train import main as train
from support.fill import fill
from support.hggt import make_hggt_demo
from support.oracle import Case
from support.runs import assert_same, losses, told, weights

TINY = Path(__file__).parents[2] / "options/train/hggt_enhance/tiny.yml"
RCAN = {"type": "RCANNOUP", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_group": 1,
        "num_block": 2, "squeeze_factor": 4}  # fmt: skip
ELAN = {"type": "ELAN", "m_elan": 2, "c_elan": 12}


def photograph(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth shapes with some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def write_weights(section: dict[str, Any], path: str = "W.pth") -> None:
    """Filled weights, laid out as published."""
    net = build_network(section)
    state = net.state_dict()
    shifts = {k: v for k, v in state.items() if k.endswith("shift_conv.weight")}
    torch.save({"params": {**fill(state), **shifts}}, path)


def test_the_tiny_file_learns_and_goes_on_with_the_same_bits(tmp_path: Path, monkeypatch) -> None:
    make_hggt_demo(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert smoothkit_main(["check", "-opt", str(TINY)]) == 0
    assert train(["-opt", str(TINY), "--force_yml", "train:total_iter=10"]) == 0
    assert train(["-opt", str(TINY), "--auto_resume"]) == 0
    assert train(["-opt", str(TINY), "--force_yml", "name=whole"]) == 0
    assert_same(weights(20, "EnhanceELAN_tiny"), weights(20, "whole"))
    critics = [
        torch.load(f"experiments/{name}/models/net_d_20.pth", weights_only=True)["params"]
        for name in ("EnhanceELAN_tiny", "whole")
    ]
    assert_same(*critics)
    assert losses("EnhanceELAN_tiny") == losses("whole")
    curve = {line["iter"]: line for line in told("whole") if "l_total" in line}
    assert {"l_pixel", "l_gan", "l_d_real", "l_d_fake", "out_d_real"} <= set(curve[20])
    assert curve[20]["l_pixel"] < curve[5]["l_pixel"]


PUBLISHED: dict[str, Any] = {
    "name": "published",
    "model_type": "EnhancementModel",
    "scale": 1,
    "num_gpu": 0,
    "manual_seed": 0,
    "resize_prob": [0.1, 0.85, 0.05],
    "resize_range": [0.9, 1.1],
    "gaussian_noise_prob": 0.5,
    "noise_range": [6.5, 13],
    "poisson_scale_range": [0.45, 0.9],
    "gray_noise_prob": 0.1,
    "jpeg_range": [80, 95],
    "pre_pad": 0,
    "tile_size": 24,
    "tile_pad": 8,
    "gt_size": 16,
    "queue_size": 4,
    "datasets": {
        "train": {
            "name": "DF2K_OST",
            "type": "EnhancementDataset",
            "dataroot_gt": "gt",
            "meta_info": "list.txt",
            "io_backend": {"type": "disk"},
            "blur_kernel_size_min": 1,
            "blur_kernel_size_max": 4,
            "kernel_list": ["iso", "aniso"],
            "kernel_prob": [0.7, 0.3],
            "sinc_prob": 0.1,
            "blur_sigma": [0.1, 0.5],
            "use_hflip": True,
            "use_rot": True,
            "use_shuffle": True,
            "num_worker_per_gpu": 1,
            "batch_size_per_gpu": 2,
            "dataset_enlarge_ratio": 1,
            "prefetch_mode": "cuda",
            "pin_memory": True,
        },
        "val": {"name": "Set5", "type": "SingleImageDataset", "dataroot_lq": "lq",
                "io_backend": {"type": "disk"}},
    },
    "network_g": RCAN,
    "network_d": {"type": "RealESRGANUNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4,
                  "skip_connection": True},
    "path": {"pretrain_network_g": None, "param_key_g": "params", "strict_load_g": False,
             "resume_state": None},
    "train": {
        "ema_decay": 0,
        "optim_g": {"type": "Adam", "lr": 1e-3, "weight_decay": 0, "betas": [0.9, 0.99]},
        "optim_d": {"type": "Adam", "lr": 1e-4, "weight_decay": 0, "betas": [0.9, 0.99]},
        "scheduler": {"type": "MultiStepLR", "milestones": [4], "gamma": 0.5},
        "total_iter": 6,
        "warmup_iter": -1,
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "real_label_val": 1.0,
                    "fake_label_val": 0.0, "loss_weight": 0.1},
        "net_d_iters": 1,
        "net_d_init_iters": 0,
    },
    "val": {"pbar": True, "val_freq": 6.0, "save_img": True, "suffix": None},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 3.0, "use_tb_logger": False,
               "wandb": {"project": None, "resume_id": None}},
    "dist_params": {"backend": "nccl", "port": 29500},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ground truths with a list of them, and noisy images of several sizes."""
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        write_image(f"gt/part {number % 2}/{number}.png", photograph(number, 32, 32))
    Path("list.txt").write_bytes(b"\r\n".join(b"part %d/%d.png" % (n % 2, n) for n in range(4)))
    for name, size in (("a.x", (33, 40)), ("b", (50, 18))):
        write_image(f"lq/{name}.png", photograph(9, *size))
    return tmp_path


def write(options: dict[str, Any], **changes: Any) -> str:
    Path("o.yml").write_text(yaml.safe_dump({**options, **changes}, sort_keys=False))
    return "o.yml"


def for_test(path: str, **changes: Any) -> dict[str, Any]:
    """A test file of the published kind."""
    keys = ("scale", "num_gpu", "manual_seed", "pre_pad", "tile_size", "tile_pad", "network_g")
    options = {"name": "tested", "model_type": "EnhancementModel"}
    options |= {key: PUBLISHED[key] for key in keys}
    options |= {"datasets": {"test_1": PUBLISHED["datasets"]["val"]}}
    options |= {"path": {"pretrain_network_g": path, "param_key_g": "params"}}
    return {**options, "val": {"save_img": True, "suffix": None}, **changes}


@pytest.mark.parametrize("network", [RCAN, ELAN], ids=lambda n: n["type"])
@pytest.mark.parametrize("backend", ["disk", "lmdb"])
def test_a_published_file_trains_resumes_and_tests(folder, network, backend) -> None:
    options = json.loads(json.dumps({**PUBLISHED, "network_g": network}))
    if backend == "lmdb":
        create_lmdb(open_store("gt", is_recursive=True), "gt.lmdb")
        options["datasets"]["train"] |= {"dataroot_gt": "gt.lmdb", "io_backend": {"type": "lmdb"}}
    options["train"]["total_iter"] = 3
    assert train(["-opt", write(options)]) == 0
    options["train"]["total_iter"] = 6
    assert train(["-opt", write(options), "--auto_resume"]) == 0
    assert max(losses("published")) == 6
    network_file = "experiments/published/models/net_g_6.pth"
    assert set(torch.load(network_file, weights_only=True)) == {"params", "meta"}
    assert Path("experiments/published/models/net_d_6.pth").exists()
    assert evaluate(["-opt", write(for_test(network_file, network_g=network))]) == 0
    results = sorted(Path("results/tested/visualization/Set5").iterdir())
    assert [path.name for path in results] == ["a.x.png", "b.png"]
    suffixed = for_test(network_file, network_g=network, val={"save_img": True, "suffix": "01"})
    assert evaluate(["-opt", write(suffixed)]) == 0
    assert Path("results/tested/visualization/Set5/a.x_01.png").exists()


def test_the_recorded_command_line_writes_the_recorded_images(tmp_path, monkeypatch) -> None:
    case = Case("hggt_enhance", "cli_rcannoup")
    monkeypatch.chdir(tmp_path)
    section = {"type": case.meta["class_replaced_by"]["class"]}
    write_weights({**section, **case.meta["class_replaced_by"]["args"]})
    for name in case.meta["input_files"]:
        Path("in").mkdir(exist_ok=True)
        assert cv2.imwrite(f"in/{name}", case[f"in__{name.replace('.', '__')}"])
    words = ["--model_path", "W.pth", "--input", "in", "--output", "out"]
    assert infer([*words, *case.meta["argv"]]) == 0
    written = sorted(path.name for path in Path("out").iterdir() if path.name != NOTE)
    assert written == case.meta["output_files"]
    for name in written:
        found = read_image(f"out/{name}", mode="unchanged").astype(int)
        difference = np.abs(found - case[f"out__{name.replace('.', '__')}"])
        assert difference.max() <= case.meta["tolerance"]["uint8_max_abs"], name


def test_the_published_flag_of_the_scale_is_taken_and_held(folder, capfd) -> None:
    write_weights(RCAN)
    words = ["-m", "W.pth", "-i", "lq", "-o", "out", "--scale"]
    assert infer([*words, "2"]) == 2
    assert "--scale 2: the network of W.pth enlarges by 1." in capfd.readouterr().err
    assert not Path("out").exists()
    assert infer([*words, "1"]) == 0


@pytest.mark.parametrize("network", [RCAN, ELAN], ids=lambda n: n["type"])
def test_at_equal_tiles_a_test_and_inference_write_the_same_bytes(folder, network) -> None:
    write_weights(network)
    assert evaluate(["-opt", write(for_test("W.pth", network_g=network))]) == 0
    words = ["-m", "W.pth", "-i", "lq", "-o", "out", "--tile_size", "24", "--tile_pad", "8"]
    assert infer(words) == 0
    for name in ("a.x.png", "b.png"):
        found, other = (read_image(f"{at}/{name}") for at in
                        ("out", "results/tested/visualization/Set5"))  # fmt: skip
        np.testing.assert_array_equal(found, other)


def test_inference_takes_the_tiles_of_the_published_program(folder, monkeypatch) -> None:
    write_weights(RCAN)
    large = photograph(3, 40, 1080)
    write_image("large/a.png", large)
    assert infer(["-m", "W.pth", "-i", "large", "-o", "own"]) == 0
    words = ["-m", "W.pth", "-i", "large", "-o", "told", "--tile_size", "1024", "--tile_pad", "24"]
    assert infer(words) == 0
    np.testing.assert_array_equal(read_image("own/a.png"), read_image("told/a.png"))
    assert infer([*words, "--tile_size", "2000", "--overwrite"]) == 0
    assert (read_image("own/a.png") != read_image("told/a.png")).any()


def test_images_below_the_windows_are_named_before_a_test(folder, capfd) -> None:
    write_weights(ELAN)
    write_image("lq/tiny.png", photograph(0, 8, 30))
    options = write(for_test("W.pth", network_g=ELAN))
    told = "tiny.png: ELAN: sides must be 9 or more, got 8x30."
    for program in (evaluate, lambda words: smoothkit_main(["check", *words])):
        assert program(["-opt", options]) == 2
        assert told in capfd.readouterr().err
    assert not Path("results/tested/visualization").exists()
    assert infer(["-m", "W.pth", "-i", "lq", "-o", "out"]) == 2
    assert f"skipped: lq/{told}" in capfd.readouterr().err
    assert Path("out/b.png").exists()


def test_images_below_the_windows_are_named_before_a_training(folder, capfd) -> None:
    write_image("lq/tiny.png", photograph(0, 8, 30))
    assert train(["-opt", write(PUBLISHED, network_g=ELAN)]) == 2
    assert "tiny.png: ELAN: sides must be 9 or more, got 8x30." in capfd.readouterr().err
    assert not Path("experiments/published/models").exists()


def test_an_image_that_fails_in_a_test_is_named(folder, capfd) -> None:
    write_weights(RCAN)
    assert evaluate(["-opt", write(for_test("W.pth", pre_pad=18))]) == 2
    told = "b: predictor.pre_pad: must be less than the sides of an image, got 18 for 50x18."
    assert told in capfd.readouterr().err


def test_missing_files_and_unequal_sizes_are_named_before_a_training(folder, capfd) -> None:
    with open("list.txt", "ab") as file:
        file.write(b"\npart 1/none.png\n")
    assert train(["-opt", write(PUBLISHED)]) == 2
    assert "datasets.train: gt/part 1/none.png: no such file" in capfd.readouterr().err
    write_image("gt/part 1/none.png", photograph(5, 32, 40))
    assert train(["-opt", write(PUBLISHED)]) == 2
    err = capfd.readouterr().err
    assert "none.png: has 32x40 pixels, gt/part 0/0.png has 32x32." in err
    assert "set crop_pad_size" in err


def test_a_crop_of_the_data_below_that_of_the_degradation_is_refused(folder, capfd) -> None:
    options = json.loads(json.dumps(PUBLISHED))
    options["datasets"]["train"]["crop_pad_size"] = 15
    assert train(["-opt", write(options)]) == 2
    told = "degradation.gt_size: must be at most datasets.train.crop_pad_size (15), got 16."
    assert told in capfd.readouterr().err


def test_a_pool_that_the_batch_does_not_divide_is_refused(folder, capfd) -> None:
    assert train(["-opt", write(PUBLISHED, queue_size=5)]) == 2
    err = capfd.readouterr().err
    assert "degradation.pool_size: must be a multiple of the batch (2), got 5" in err
