"""The shipped test files against inference and the script, on one network."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from smoothkit.archs import build_network
from smoothkit.inference import main as infer
from smoothkit.ops.io import write_image
from smoothkit.test import main as evaluate

ROOT = Path(__file__).parents[2]
SCRIPT = "metrics/evaluate_smoothing.py"


def image(seed: int, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, width, 3)).astype(np.uint8)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = build_network({"type": "JESSNet", "dim": 4, "num_block": 1})
    torch.save({"net": net.state_dict()}, "W.pth")
    return "W.pth"


def rows(path: str) -> dict[str, dict[str, float]]:
    with Path(path).open() as file:
        return {
            row["image"]: {name: float(row[name]) for name in ("psnr", "ssim")}
            for row in csv.DictReader(file)
        }


@pytest.mark.parametrize("protocol", ["NKS", "VOC"])
def test_the_option_file_and_the_script_give_the_same_figures(
    weights: str, protocol: str, run_script, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = {
        "NKS": ["datasets/NKS/input/1_1.png", "datasets/NKS/input/1_2.png"],
        "VOC": ["datasets/VOC-smooth/val_small/154.png", "datasets/VOC-smooth/val_small/4.png"],
    }[protocol]
    truth = {"NKS": "datasets/NKS/gt/1.png", "VOC": "datasets/VOC-smooth/gt/4.png"}[protocol]
    write_image(truth, image(0))
    for number, path in enumerate(inputs, 1):
        write_image(path, image(number, 40 if protocol == "VOC" else 20))
        write_image(Path("single") / Path(path).name, image(number, 40)[:, 20:]
                    if protocol == "VOC" else image(number))  # fmt: skip
    options = str(ROOT / f"options/test/jess/test_{protocol}.yml")
    overrides = [f"path:pretrain_network_g={weights}", "num_gpu=0"]
    assert evaluate(["-opt", options, "--force_yml", *overrides]) == 0
    assert infer(["--model_path", weights, "--input", "single", "--output", "smooth"]) == 0
    folders = f"--pred_dir smooth --gt_dir {Path(truth).parent}"
    assert run_script(SCRIPT, f"{folders} --dataset {protocol} --append result.txt") == 0
    by_options = rows(f"results/JESSNet_{protocol}/metrics.csv")
    by_script = rows("results/evaluation/smooth/metrics.csv")
    assert by_options.keys() == by_script.keys() == {Path(path).stem for path in inputs}
    for name, values in by_options.items():
        assert by_script[name] == pytest.approx(values, abs=1e-4)
    assert Path("results/evaluation/smooth/gallery.html").stat().st_size > 1000
    mean = np.mean([values["psnr"] for values in by_script.values()])
    assert f"smooth   psnr:{mean:.4f}    ssim:" in Path("result.txt").read_text()
    assert f"smooth: psnr {mean:.4f}" in capsys.readouterr().out


def test_one_broken_result_is_named_and_the_others_are_measured(
    run_script, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        write_image(f"pred/{number}.png", image(number))
        write_image(f"gt/{number}.png", image(number + 9))
    Path("pred/3.png").write_bytes(b"no image")
    assert run_script(SCRIPT, "--pred_dir pred --gt_dir gt") == 2
    told = capsys.readouterr()
    assert "(4 images)" in told.out
    assert "skipped: pred/3.png: " in told.err
    assert "no lpips without --lpips_weights: alexnet" in told.err
    assert run_script(SCRIPT, "--pred_dir pred --gt_dir none") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "--gt_dir: no such folder, got none."
