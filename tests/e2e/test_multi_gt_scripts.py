"""The scripts of metrics over labels, as a user runs them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from smoothkit.ops.io import read_image, write_image
from support.hggt import by_all, make_folder, write_labels
from support.oracle import Case

TABLE = "metrics/calculate_multigt_labeled.py"
PSNR_SSIM = "metrics/calculate_multigt_labeled_psnr_ssim.py"
LPIPS = "metrics/calculate_multigt_labeled_lpips.py"
GIVEN = "--gts images --json_path labels"
CASE = Case("hggt_posneg_sr", "test100_metrics")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sets with results: ``good`` is the positive itself with some noise, ``bad`` with more."""
    make_folder(tmp_path)
    write_labels(tmp_path / "labels", "0003-0-0", by_all(["Positive", "Similar", "Similar", None]))
    for path in (tmp_path / "images/01").iterdir():
        rng, image = np.random.default_rng(0), read_image(path).astype(int)
        for method, level in (("good", 2), ("bad", 9)):
            noise = rng.integers(-level, level + 1, image.shape)
            result = np.clip(image + noise, 0, 255).astype(np.uint8)
            write_image(tmp_path / method / f"{path.stem.removesuffix('_01')}_x4.png", result)
    return tmp_path


def test_the_text_file_is_written_where_the_published_script_puts_it(run_script, tmp_path, capsys):
    from support.hggt import write_pictures

    meta = CASE.meta
    for name in meta["names"]:
        write_pictures(tmp_path / "images", name, [CASE[f"{name}/{k}"] for k in
                       ("original", "01", "02", "03", "04")])  # fmt: skip
        write_labels(tmp_path / "labels", name, meta["labels"][name])
        write_image(tmp_path / f"out/Test-100/{name}_x.png", CASE[f"{name}/sr"])
    assert run_script(PSNR_SSIM, f"{GIVEN} --restored out/Test-100/") == 0
    written = (tmp_path / "out/psnr_ssim_Test-100.txt").read_text()
    assert written == meta["outputs"]["psnr_ssim"]["txt"]
    assert capsys.readouterr().out == meta["outputs"]["psnr_ssim"]["stdout"]


def test_methods_are_compared_the_best_first(run_script, folder, capsys):
    assert run_script(TABLE, f"{GIVEN} --restored bad good --plot --out_dir o") == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[1] for line in printed[:4]] == ["method", "---", "good", "bad"]
    found = json.loads(Path("o/metrics.json").read_text())
    good = found["good"]["psnr"]
    assert good["low"] <= good["mean"] <= good["high"]
    assert good["worst"] <= good["mean"] <= good["best"]
    rows = list(csv.DictReader(Path("o/metrics.csv").read_text().splitlines()))
    assert {row["version"] for row in rows} == {"01"}
    mean = np.mean([float(row["psnr"]) for row in rows if row["method"] == "good"])
    assert mean == pytest.approx(good["mean"])
    assert Path("o/plots.html").read_text().count('class="chart"') == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_feature_distances_need_their_weights(run_script, folder, capsys, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "hub"))
    assert run_script(LPIPS, f"{GIVEN} --restored good") == 2
    err = capsys.readouterr().err
    assert "alexnet-owt-7be5be79.pth: no such weights here" in err
    assert "Give the file as '--lpips_weights'" in err
    torch.manual_seed(0)
    save = lambda state, name: torch.save(state, folder / name)  # noqa: E731
    for name in ("alexnet", "vgg16"):
        net = getattr(torchvision.models, name)(weights=None).features
        save(net.state_dict(prefix="features."), f"{name}.pth")
    save({key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}, "d.pt")
    weights = "--lpips_weights alexnet.pth --dists_weights d.pt --vgg_weights vgg16.pth"
    options = f"{GIVEN} --restored bad good --metrics lpips,dists {weights} --device cpu"
    assert run_script(TABLE, options) == 0
    found = json.loads(Path("results/multigt/metrics.json").read_text())
    assert 0 < found["good"]["lpips"]["mean"] < found["bad"]["lpips"]["mean"]


def damage_name(folder: Path) -> None:
    (folder / "good/0000-0-0_x4.png").rename(folder / "good/other_x4.png")


def damage_truth(folder: Path) -> None:
    (folder / "images/01/0000-0-0_01.png").unlink()


def damage_size(folder: Path) -> None:
    write_image(folder / "good/0000-0-0_x4.png", np.zeros((8, 8, 3), np.uint8))


def damage_labels(folder: Path) -> None:
    write_labels(folder / "labels", "0000-0-0", by_all(["Similar"] * 4))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (damage_name, "good/other_x4.png: no labels are called 'other'"),
        (damage_truth, "images/01/0000-0-0_01.png: missing, though it has labels"),
        (damage_size, "good/0000-0-0_x4.png: must have the size of 0000-0-0_01, 56x56, got 8x8"),
        (damage_labels, "good/0000-0-0_x4.png: its set has no positive ground truth"),
    ],
)
def test_what_cannot_be_measured_is_named_and_counted(run_script, folder, capsys, damage, told):
    damage(folder)
    (folder / "good/notes.txt").write_text("no image")
    options = f"{GIVEN} --restored good --suffix x4"
    assert run_script(PSNR_SSIM, options) == 2
    err = capsys.readouterr().err
    assert told in err
    count = 2 if damage is damage_name else 1  # then a set has no result, besides
    assert f"good: {count} left out" in err
    assert Path("psnr_ssim_good.txt").read_text().splitlines()[-1] == f"left out: {count}"
    assert run_script(PSNR_SSIM, f"{options} --on_error skip") == 0
    capsys.readouterr()
    assert run_script(PSNR_SSIM, f"{options} --strict") == 2
    assert capsys.readouterr().err.startswith(told)


def test_methods_have_names_of_their_own(run_script, folder, capsys):
    for method in ("good", "bad"):
        (folder / method).rename(folder / f"{method}_run")
        (folder / f"{method}_run/Test").mkdir()
        for path in (folder / f"{method}_run").glob("*.png"):
            path.rename(path.parent / "Test" / path.name)
    options = f"{GIVEN} --restored good_run/Test bad_run/Test/"
    assert run_script(TABLE, options) == 0
    assert "| bad_run/Test | " in capsys.readouterr().out
    assert run_script(TABLE, f"{options} --names ours theirs") == 0
    assert "| theirs | " in capsys.readouterr().out
    assert run_script(TABLE, f"{options} --names ours") == 2
    assert "--names: must be 2 different names, got ['ours']" in capsys.readouterr().err


def test_a_set_without_all_its_labels_is_left_out(run_script, folder, capsys):
    (folder / "labels/B/0001-0-0.json").unlink()
    options = f"{GIVEN} --restored good"
    assert run_script(PSNR_SSIM, options) == 2
    err = capsys.readouterr().err
    assert "left out: labels/B/0001-0-0.json: missing, only A and C labelled this set" in err
    assert "skipped: good/0001-0-0_x4.png: no labels are called '0001-0-0'" in err
    assert "left out: 1" in Path("psnr_ssim_good.txt").read_text()
    assert run_script(PSNR_SSIM, f"{options} --strict") == 2


def test_methods_over_different_sets_are_told_apart(run_script, folder, capsys):
    (folder / "good/0000-0-0_x4.png").unlink()
    options = f"{GIVEN} --restored good bad --metrics psnr --on_error skip"
    assert run_script(TABLE, options) == 0
    told = capsys.readouterr()
    assert [line.split(" | ")[-1].strip(" |") for line in told.out.splitlines()[2:4]] == ["3", "4"]
    assert "over different sets" in told.err


def test_sets_without_a_result_are_named(run_script, folder, capsys):
    (folder / "good/0000-0-0_x4.png").unlink()
    (folder / "good/0001-0-0_x4.png").unlink()
    assert run_script(TABLE, f"{GIVEN} --restored good") == 2
    err = capsys.readouterr().err
    for name in ("0000-0-0", "0001-0-0"):
        assert f"skipped: good: has no result of the set '{name}'." in err
    assert run_script(TABLE, f"{GIVEN} --restored good --strict") == 2


def test_one_equal_result_does_not_hide_the_others_in_the_mean(run_script, folder, capsys):
    same = read_image(folder / "images/01/0000-0-0_01.png")
    write_image(folder / "good/0000-0-0_x4.png", same)
    assert run_script(TABLE, f"{GIVEN} --restored good --metrics psnr --out_dir o") == 0
    assert "good: PSNR: 1 infinite values left out of the means" in capsys.readouterr().err
    rows = list(csv.DictReader(Path("o/metrics.csv").read_text().splitlines()))
    values = [float(row["psnr"]) for row in rows]
    found = json.loads(Path("o/metrics.json").read_text())["good"]["psnr"]
    assert found["mean"] == pytest.approx(np.mean([v for v in values if np.isfinite(v)]))
    assert (np.isinf(values).sum(), found["left_out"], found["sets"]) == (1, 1, 4)
    assert run_script(PSNR_SSIM, f"{GIVEN} --restored good") == 0
    lines = Path("psnr_ssim_good.txt").read_text().splitlines()
    assert lines[-1] == "PSNR: 1 infinite values left out of the means"
    assert lines[-2].startswith(f"PSNR-avg all:{found['mean']:.4f} ")


def test_ranges_of_sets_are_one_test_set(run_script, folder, capsys):
    assert run_script(TABLE, f"{GIVEN} --restored good --out_dir plain") == 0
    for name in ("images", "labels"):
        (folder / name).rename(folder / "0-3")
        (folder / name).mkdir()
        (folder / "0-3").rename(folder / name / "0-3")
    assert run_script(TABLE, f"{GIVEN} --restored good --out_dir ranges") == 0
    plain, ranges = (Path(f"{name}/metrics.csv").read_text() for name in ("plain", "ranges"))
    assert plain == ranges


def test_a_result_equal_to_its_truth_is_measured(run_script, folder):
    for path in (folder / "images/01").iterdir():
        write_image(folder / f"same/{path.stem.removesuffix('_01')}_x.png", read_image(path))
    options = f"{GIVEN} --restored same --metrics psnr --on_error skip"
    assert run_script(TABLE, options) == 0
    assert "| same | inf [inf, inf] | 4 |" in Path("results/multigt/comparison.md").read_text()


def test_an_unknown_metric_is_refused(run_script, folder, capsys):
    assert run_script(TABLE, f"{GIVEN} --restored good --metrics pnsr") == 2
    assert "pnsr: no such metric. Did you mean 'psnr'" in capsys.readouterr().err


def test_results_may_be_called_as_their_sets_and_a_method_without_any_is_a_row(
    run_script, folder, capsys
):
    for path in sorted((folder / "good").iterdir()):
        path.rename(path.with_stem(path.stem.removesuffix("_x4")))
    write_image(folder / "empty/astronaut.png", np.zeros((56, 56, 3), np.uint8))
    assert run_script(TABLE, f"{GIVEN} --restored empty good --out_dir o") == 2
    printed = capsys.readouterr()
    assert "empty/astronaut.png: no labels are called 'astronaut'" in printed.err
    rows = printed.out.splitlines()
    assert rows[2].startswith("| good | ")
    assert rows[2].endswith(" 4 |")
    assert rows[3] == "| empty | no results | no results | 0 |"


def test_a_second_result_of_a_set_is_named(run_script, folder, capsys):
    write_image(folder / "good/0000-0-0_x2.png", read_image(folder / "good/0000-0-0_x4.png"))
    assert run_script(TABLE, f"{GIVEN} --restored good --out_dir o") == 2
    told = "good/0000-0-0_x4.png: is of the set of 0000-0-0_x2.png. Move one away."
    assert told in capsys.readouterr().err
