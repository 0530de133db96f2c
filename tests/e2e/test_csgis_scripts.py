"""The scripts that make VOC-smooth, as a user runs them, one after the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.files import write_bytes
from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.labels import encode_labels, read_labels

SAMPLES = "data_preparation/make_sample_data.py"
VOC = "data_preparation/make_sample_voc.py"
MAKE = "data_preparation/make_voc_smooth.py"
EVALUATE = "metrics/evaluate_smoothing.py"
FOLDERS = "--voc_dir voc --tx_dir tx --out_dir out"
FILTERS = "--gt_filter l0:lam=0.01 --over_filters l0:lam=0.05 bilateral:sigma_color=0.8"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """VOC of three images, and a texture."""
    rng = np.random.default_rng(0)
    for stem in ("a", "b", "c"):
        photo = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        write_image(tmp_path / f"voc/JPEGImages/{stem}.jpg", photo)
        mask = encode_labels(photo[..., 0] % 4)
        write_bytes(tmp_path / f"voc/SegmentationClass/{stem}.png", mask)
    write_image(tmp_path / "tx/t.png", rng.integers(0, 256, (5, 5, 3)).astype(np.uint8))
    return tmp_path


def test_photographs_lead_to_voc_smooth_and_its_evaluation(
    run_script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMOOTHKIT_QUICK", "1")
    assert run_script(SAMPLES, "--out_dir s") == 0
    assert run_script(VOC, "--photo_dir s/train/photographs --out_dir voc --num_classes 4") == 0
    assert "voc: 4 classes (0 " in capsys.readouterr().out
    folders = "--voc_dir voc --tx_dir s/train/textures --out_dir out"
    split = "--num_classes 4 --val_fraction 0.5 --num_val_small 3"
    assert run_script(MAKE, f"{folders} {FILTERS} {split}") == 0
    printed = capsys.readouterr().out
    assert "4 images, 4 textures, 16 pairs (train 8, val 5, val_small 3), 16 written" in printed
    assert printed.count("over-smoothed by ") == len(
        {row["method"] for row in json.loads(Path("out/over.json").read_text()).values()}
    )
    for b in range(4):
        shapes = {read_image(f"out/{folder}/{b}.png").shape for folder in ("gt", "over", "seg")}
        assert len(shapes) == 1
        assert set(np.unique(read_labels(f"out/seg/{b}.png", 4))) <= {0, 1, 2, 3, 255}
    for pair in Path("out/val_small").iterdir():  # a perfect result, named by its pair's number
        image = read_image(pair)
        truth = f"{int(pair.stem) % 4}.png"
        write_image(f"truths/{truth}", read_image(f"out/gt/{truth}"))
        write_image(f"pred/{pair.name}", image[:, : image.shape[1] // 2])
    evaluated = "--pred_dir pred --gt_dir truths --title perfect --dataset VOC --num_gt 4"
    assert run_script(EVALUATE, f"{evaluated} --out_dir eval") == 0
    assert "ssim 1.0000" in capsys.readouterr().out


def test_a_second_run_writes_nothing_and_other_settings_make_things_anew(
    run_script, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(MAKE, f"{FOLDERS} {FILTERS}") == 0
    assert run_script(MAKE, f"{FOLDERS} {FILTERS}") == 0
    assert capsys.readouterr().out.count(", 3 written now\n") == 1
    assert run_script(MAKE, f"{FOLDERS} {FILTERS} --edge_channel gray") == 0
    told = "out: 3 results are made anew; what changed: settings (edge_channel blue, now gray)."
    assert told in capsys.readouterr().err
    assert run_script(MAKE, f"{FOLDERS} {FILTERS} --num_gt 2") == 0
    assert " images are removed; an earlier run made what " in capsys.readouterr().err
    assert len(list(Path("out").glob("*/*.png"))) == 10


@pytest.mark.parametrize(
    ("script", "arguments", "own"),
    [
        (MAKE, f"{FOLDERS} {FILTERS}", "out/train/0.png"),
        (VOC, "--photo_dir voc/JPEGImages --out_dir out", "out/SegmentationClass/a.png"),
    ],
)
def test_files_without_a_note_are_replaced_on_demand_only(
    run_script, small: Path, capsys: pytest.CaptureFixture[str], script, arguments, own
) -> None:
    write_image(own, np.zeros((3, 3, 3), np.uint8))
    assert run_script(script, arguments) == 2
    told = f"{own}: is there already, and no note tells what it was made from. Give another folder"
    assert capsys.readouterr().err.strip().startswith(told)
    assert read_image(own).shape == (3, 3, 3)
    assert run_script(script, f"{arguments} --overwrite") == 0
    assert read_image(own).shape[0] == 16


def test_what_was_made_serves_as_given_images_with_its_map(run_script, small: Path) -> None:
    assert run_script(MAKE, f"{FOLDERS} {FILTERS} --num_gt 2") == 0
    for line in Path("out/map.txt").read_text().splitlines():
        stem, number = line.split(",")
        for folder in ("gt", "over"):
            Path(folder).mkdir(exist_ok=True)
            shutil.copy(f"out/{folder}/{number}.png", f"{folder}/{stem}.png")
    given = "--gt_dir gt --over_dir over --map_file out/map.txt --out_dir again"
    assert run_script(MAKE, f"--voc_dir voc --tx_dir tx {given}") == 0
    for path in Path("out").rglob("*.*"):
        if path.suffix not in (".json", ".jsonl"):
            assert path.read_bytes() == Path("again", path.relative_to("out")).read_bytes()


def test_names_that_are_left_out_are_told(
    run_script, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("train.txt").write_text("a\nx\nb\ny\n")
    assert run_script(MAKE, f"{FOLDERS} {FILTERS} --names train.txt") == 0
    told = "train.txt: 2 names that SegmentationClass does not have: x, y"
    assert told in capsys.readouterr().out


def test_classes_are_told_and_an_empty_val_is_warned_of(
    run_script, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = read_image("voc/JPEGImages/a.jpg")
    assert run_script(MAKE, f"{FOLDERS} {FILTERS}") == 0
    printed = capsys.readouterr()
    assert "classes in the masks: 0, 1, 2, 3; ignored 0%\n" in printed.out
    told = "val is empty: 0.1 of 3 pairs is less than one. Raise --val_fraction, or use more images"
    assert printed.err.strip() == f"{told}."
    for path in Path("voc/SegmentationClass").iterdir():
        write_image(path, (photo[..., 0] > 127) * np.uint8(255))
    assert run_script(MAKE, f"{FOLDERS}2 {FILTERS} --val_fraction 0.5") == 0
    printed = capsys.readouterr()
    assert "classes in the masks: 0; ignored " in printed.out
    assert printed.err.startswith("voc/SegmentationClass: no mask holds a class but 0, the backgr")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--names none.txt", "none.txt: no such file."),
        ("--num_gt 9", "--num_gt: must be at most 3, "),
        ("--num_classes 2", "voc/SegmentationClass/a.png: holds the value "),
        ("--over_filters rtf", "rtf: no such filter. Did you mean 'rtv'"),
        ("--gt_filter rtv:lam=0", "rtv.lam: must be above 0, got 0"),
        ("--gt_dir nowhere", "nowhere: cannot be read: No such file or directory."),
        ("--num_val_small 1", "--num_val_small: must be at most 0, "),
    ],
)
def test_a_fault_is_told_with_exit_code_2(
    run_script, small: Path, capsys: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    assert run_script(MAKE, f"{FOLDERS} {arguments}") == 2
    assert capsys.readouterr().err.strip().startswith(told)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("script", "arguments", "told"),
    [
        (MAKE, f"{FOLDERS} --gt_dir g --gt_filter l0", "--gt_filter: makes ground truths, which"),
        (MAKE, f"{FOLDERS} --over_dir o --over_filters l0", "--over_filters: make what"),
        (MAKE, f"{FOLDERS} --map_file m --num_gt 2", "--map_file: says which images take part"),
        (MAKE, f"{FOLDERS} --val_fraction 1", "must be between 0 and 1, got 1"),
        (VOC, "--photo_dir x --out_dir y --num_classes 256", "must be at most 255, got 256"),
    ],
)
def test_contradicting_options_are_usage_errors(
    run_script, capsys: pytest.CaptureFixture[str], script: str, arguments: str, told: str
) -> None:
    assert run_script(script, arguments) == 2
    assert told in capsys.readouterr().err
