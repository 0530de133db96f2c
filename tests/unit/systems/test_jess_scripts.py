"""The data scripts as a user runs them, one after the other, in quick mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.ops.io import write_image

SMOOTH = "data_preparation/make_smooth_gt.py"
SPLIT = "data_preparation/split_val.py"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMOOTHKIT_QUICK", "1")


def test_sample_data_lead_to_a_comparison(run_script, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("data_preparation/make_sample_data.py", "--out_dir s") == 0
    for split in ("train", "test"):
        folders = f"--photo_dir s/{split}/photographs --out_dir gt/{split}"
        assert run_script(SMOOTH, f"{folders} --method l0 --set lam=0.01 kappa=2") == 0
        folders = f"--tx_dir s/{split}/textures --bg_dir gt/{split} --out_dir {split}"
        assert run_script("data_preparation/blend_sps.py", folders) == 0
    assert run_script(SPLIT, "--train_dir train/train --val_dir train/val") == 0
    assert "train: 16 pairs written" in capsys.readouterr().out
    assert len(list(Path("train/val").iterdir())) == 1
    folders = "--train_dir train/train --test_dir test/train"
    assert run_script("metrics/compare_filters.py", folders) == 0
    assert "rolling_guidance" in capsys.readouterr().out
    assert Path("results/compare_filters/comparison.png").exists()


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        (
            "--method l0",
            "--method bilateral",
            "settings (filter l0, now bilateral; lam 0.02, now n",
        ),
        ("--grid l0 bilateral", "--grid l0", 'settings (grid ["l0", "bilateral"], now ["l0"])'),
    ],
)
def test_why_ground_truths_are_made_anew_is_told(
    run_script, capsys: pytest.CaptureFixture[str], first: str, then: str, told: str
) -> None:
    write_image("in/a.png", np.random.default_rng(0).integers(0, 256, (9, 8, 3)).astype(np.uint8))
    assert run_script(SMOOTH, f"--photo_dir in --out_dir out {first}") == 0
    assert run_script(SMOOTH, f"--photo_dir in --out_dir out {then}") == 0
    assert f"out: 1 result is made anew; what changed: {told}" in capsys.readouterr().err


def test_pairs_of_other_images_are_made_anew_and_others_on_demand_only(
    run_script, capsys: pytest.CaptureFixture[str]
) -> None:
    blend, arguments = "data_preparation/blend_sps.py", "--tx_dir tx --bg_dir gt --out_dir out"
    for name in ("tx/t.png", "gt/a.png"):
        write_image(name, np.random.default_rng(0).integers(0, 256, (9, 8, 3)).astype(np.uint8))
    write_image("out/train/0.png", np.zeros((1, 1, 3), np.uint8))
    assert run_script(blend, arguments) == 2
    assert capsys.readouterr().err.startswith("out/train/0.png: is there already, and no note")
    assert run_script(blend, f"{arguments} --overwrite") == 0
    write_image("tx/t.png", np.zeros((3, 3, 3), np.uint8))
    capsys.readouterr()
    assert run_script(blend, arguments) == 0
    told = capsys.readouterr()
    assert "out: 1 result is made anew; what changed: texture t.png." in told.err
    assert told.out == "out: 1 pairs written\n"


@pytest.mark.parametrize(
    ("script", "arguments", "told"),
    [
        (
            "make_smooth_gt",
            "--photo_dir x --out_dir y",
            "x: cannot be read: No such file or directory.",
        ),
        (
            "make_smooth_gt",
            "--photo_dir x --out_dir y --method l0 --set lam=0",
            "l0.lam: must be above 0, got 0",
        ),
        (
            "make_smooth_gt",
            "--photo_dir x --out_dir y --grid rtv:lam=0.01 rtf:lam=1",
            "rtf: no such filter. Did you mean 'rtv'",
        ),
        (
            "blend_sps",
            "--tx_dir x --bg_dir y --out_dir z",
            "x: cannot be read: No such file or directory.",
        ),
        ("split_val", "--train_dir x --val_dir y", "x: cannot be read: No such file or directory."),
    ],
)
def test_fault_is_one_line_and_exit_code_2(
    run_script, capsys: pytest.CaptureFixture[str], script: str, arguments: str, told: str
) -> None:
    assert run_script(f"data_preparation/{script}.py", arguments) == 2
    assert capsys.readouterr().err.strip().startswith(told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--set lam=1", "--set: belongs to --method"),
        ("--method rtv --grid l0", "--grid: takes the place of --method"),
    ],
)
def test_settings_that_would_have_no_effect_are_usage_errors(
    run_script, capsys: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    assert run_script(SMOOTH, f"--photo_dir x --out_dir y {arguments}") == 2
    assert told in capsys.readouterr().err


def test_fraction_out_of_range_is_a_usage_error(
    run_script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(SPLIT, "--train_dir x --val_dir y --fraction 1.5") == 2
    assert "must be between 0 and 1, got 1.5" in capsys.readouterr().err
