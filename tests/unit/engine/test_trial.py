"""What a check finds by making one step, and by what a run refuses before it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smoothkit.__main__ import main as smoothkit_main
from smoothkit.core.options import read_options
from smoothkit.engine.check import check
from smoothkit.engine.trial import _part_of
from smoothkit.train import main as train_main

SR = {"name": "a", "type": "PairedImageDataset", "dataroot_gt": "gt", "dataroot_lq": "lq"}
SR |= {"io_backend": {"type": "disk"}, "gt_size": 8, "use_hflip": True, "use_rot": True}
MSR = {"type": "MSRResNet", "num_feat": 4, "num_block": 1, "upscale": 2}


@pytest.fixture
def sr(tiny):
    """Writes an option file for a model and a data set of BasicSR's over two small pairs."""

    def write(network=MSR, **section) -> Path:
        for folder, side in (("gt", 16), ("lq", 8)):
            Path(folder).mkdir(exist_ok=True)
            for name in ("0", "1"):
                cv2.imwrite(f"{folder}/{name}.png", np.full((side, side, 3), 90, np.uint8))
        train = {**SR, **section, "length": None}
        return tiny(model_type="SRModel", scale=2, network_g=network,
                    datasets={"train": train, "val": None}, val=None,
                    train={"scheduler": {"type": "MultiStepLR", "milestones": [4]}})  # fmt: skip

    return write


def checked(path, capfd) -> tuple[int, str]:
    code = smoothkit_main(["check", "-opt", str(path)])
    printed = capfd.readouterr()
    return code, printed.out + printed.err


def test_a_step_is_made_and_nothing_stays_of_it(tiny, capfd, tmp_path):
    code, text = checked(tiny(), capfd)
    assert code == 0
    assert "a training step: l_pixel " in text
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yml"]


def test_channels_that_do_not_fit_the_data_are_found(sr, capfd):
    grey = {**MSR, "num_in_ch": 1, "num_out_ch": 1}
    code, text = checked(sr(grey), capfd)
    assert code == 2
    assert "a training step fails: RuntimeError: " in text
    assert "Traceback" not in text


def test_training_says_in_one_line_that_its_first_step_fails(sr, capfd):
    code = train_main(["-opt", str(sr({**MSR, "num_in_ch": 1, "num_out_ch": 1}))])
    last = capfd.readouterr().err.splitlines()[-1]
    assert code == 2
    assert last.startswith("the first training step fails: RuntimeError: ")


def test_an_item_that_validation_would_end_at_is_found(tiny, capfd):
    code, text = checked(tiny(datasets={"val": {"broken_at": 0}}), capfd)
    assert code == 2
    assert "datasets.val: item_0.png: cannot be decoded." in text


def found(path) -> list[str]:
    return [f"{fault.where}: {fault.message}" for fault in check(read_options(path)).faults]


def test_crops_are_multiples_of_the_scale(sr):
    wanted = "datasets.train.gt_size: must be a multiple of the scale (2), got 9. Take 8 or 10."
    assert found(sr(gt_size=9)) == [wanted]
    assert found(sr()) == []


@pytest.mark.parametrize(
    ("key", "value", "package"),
    [
        ("save_safetensors", True, "safetensors"),
        ("wandb", {"project": "a"}, "wandb"),
        ("use_tb_logger", True, "tensorboard"),
    ],
)
def test_packages_are_missed_before_training(tiny, monkeypatch, key, value, package):
    path = tiny(logger={key: value})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (fault,) = found(path)
    assert fault == f"logger.{key}: needs the package {package}: pip install {package}, or " + (
        "remove the key."
    )


def test_a_logger_without_a_project_needs_no_package(tiny):
    assert found(tiny(logger={"wandb": {"project": None, "resume_id": None}})) == []


def test_weights_are_needed_like_data(tiny, capfd):
    path = tiny(path={"pretrain_network_g": "nowhere.pth"})
    assert smoothkit_main(["check", "-opt", str(path), "--no-data"]) == 0
    wanted = "needed: path.pretrain_network_g: nowhere.pth: no such checkpoint."
    assert wanted in capfd.readouterr().out
    code, text = checked(path, capfd)
    assert code == 2
    assert "path.pretrain_network_g: nowhere.pth: no such checkpoint." in text


def test_a_file_that_a_network_of_basicsr_reads_is_named(sr, capfd):
    path = str(sr({"type": "BasicVSR", "num_feat": 4, "num_block": 1, "spynet_path": "spy.pth"}))
    assert smoothkit_main(["check", "-opt", path, "--no-data"]) == 0
    assert "needed: network_g: spy.pth: no such file, which BasicVSR" in capfd.readouterr().out
    assert train_main(["-opt", path]) == 2
    assert "spy.pth: no such file, which SRModel" in capfd.readouterr().err.splitlines()[-1]


def test_a_network_that_needs_real_numbers_to_be_built_is_checked(sr, capfd):
    ecbsr = {"type": "ECBSR", "num_in_ch": 3, "num_out_ch": 3, "num_block": 1, "num_channel": 4}
    code, text = checked(sr({**ecbsr, "with_idt": False, "act_type": "prelu", "scale": 2}), capfd)
    assert code == 0, text
    assert "network_g: ECBSR, " in text


# Gives results whose sides are multiples of 8.
WINDOWED = {"type": "SwinIR", "img_size": 8, "window_size": 8, "embed_dim": 4, "depths": [1],
            "num_heads": [1], "upsampler": "none"}  # fmt: skip


@pytest.mark.parametrize("size", [12, 1004])
def test_what_the_first_validation_would_end_in_is_found_before_training(tiny, capfd, size):
    path = tiny(network_g=WINDOWED, datasets={"train": {"size": 16}, "val": {"size": size}})
    code, text = checked(path, capfd)
    assert code == 2
    message = "item_0: the result must have the size of the ground truth"
    assert f"datasets.val: {message}" in text
    assert train_main(["-opt", str(path)]) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith(message)
    assert not Path("experiments/tiny/options.yml").exists()


def test_a_check_measures_one_image_of_each_validation_set(tiny, capfd):
    code, text = checked(tiny(datasets={"val_2": {"type": "NoiseDataset", "size": 300}}), capfd)
    assert code == 0
    for key in ("val", "val_2"):
        assert f"datasets.{key}: one image of at most 128 pixels a side: psnr " in text


def test_a_check_of_a_run_that_does_not_validate_runs_no_validation(tiny, capfd):
    path = tiny(network_g=WINDOWED, datasets={"train": {"size": 16}}, val={"val_freq": None})
    code, text = checked(path, capfd)
    assert code == 0
    assert "one image" not in text


def test_parts_of_an_image_and_its_ground_truth_show_the_same():
    lq = torch.arange(300.0 * 90).reshape(1, 1, 300, 90)
    gt = lq.repeat_interleave(2, 2).repeat_interleave(2, 3)
    part = _part_of({"lq": lq, "gt": gt, "lq_path": ["a.png"]})
    assert part["lq"].shape == (1, 1, 108, 90)  # 300 less 6 times 32
    assert part["lq"][0, 0, 0, 0] == 96 * 90
    assert torch.equal(part["gt"][..., ::2, ::2], part["lq"])
    assert part["gt"].shape == (1, 1, 216, 180)
    odd = {"lq": lq, "gt": gt[..., 1:]}
    assert _part_of(odd)["lq"].shape == lq.shape
