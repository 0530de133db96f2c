"""The scripts of matting's test sets and metrics, as a user runs them."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from smoothkit.ops.io import write_image
from support import mattes

EVALUATE = "metrics/evaluate_matting.py"
COMPOSE = "data_preparation/compose_matting_test.py"
COMPARE = "metrics/compare_matting.py"
COPY = "data_preparation/copy_listed.py"
SAMPLES = "data_preparation/make_sample_matting.py"
FOLDERS = "--pred_dir pred --gt_dir gt --trimap_dir trimaps --out_dir out"
NAMES = ("sad", "mse", "grad", "conn")


def to_bytes(matte: np.ndarray) -> np.ndarray:
    return np.rint(matte * 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, list[float]]:
    """Three mattes on disk; what the straight implementation measures of each."""
    expected = {}
    for seed, name in enumerate("abc"):
        pred, gt, trimap = mattes.furry(seed)
        pred, gt, where = np.rint(pred * 255) / 255, np.rint(gt * 255) / 255, trimap == 128
        write_image(tmp_path / f"pred/{name}.png", to_bytes(pred))
        write_image(tmp_path / f"gt/{name}.png", to_bytes(gt))
        write_image(tmp_path / f"trimaps/{name}.png", trimap)
        expected[name] = [
            mattes.sad(pred, gt, where),
            mattes.mse(pred, gt, where, int(where.sum())),
            mattes.grad(pred, gt, where, 4),
            mattes.conn(pred, gt, where),
        ]
    return expected


def rows() -> dict[str, dict[str, str]]:
    with Path("out/metrics.csv").open() as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def test_figures_are_those_of_the_formulas_with_the_trimaps_hash_beside_them(
    run_script, folder, capsys
):
    assert run_script(EVALUATE, FOLDERS) == 0
    joined = ""
    for name in "abc":
        trimap = cv2.imread(f"trimaps/{name}.png", cv2.IMREAD_GRAYSCALE)
        size = f"{trimap.shape[0]}x{trimap.shape[1]}:".encode()
        joined += hashlib.sha256(size + trimap.tobytes()).hexdigest()
    trimaps = hashlib.sha256(joined.encode()).hexdigest()[:12]
    for name, expected in folder.items():
        row = rows()[name]
        assert [float(row[key]) for key in NAMES] == pytest.approx(expected, rel=1e-5)
        assert (row["trimaps"], row["definition"]) == (trimaps, "common")
    found = json.loads(Path("out/metrics.json").read_text())["pred"]
    means = np.mean(list(folder.values()), axis=0)
    assert [found[key]["mean"] for key in NAMES] == pytest.approx(means, rel=1e-5)
    assert found["trimaps"] == trimaps
    printed = capsys.readouterr().out
    assert printed.startswith(f"pred: sad {means[0]:.4f} ± ")
    assert printed.endswith(f"(3 images, trimaps {trimaps}, definition common)\n")


def test_depth_channels_and_extensions_may_differ(run_script, folder, capsys):
    changes = {"a": lambda p: p.astype(np.uint16) * 257, "b": lambda p: np.dstack([p] * 3)}
    for name, change in changes.items():
        pred = cv2.imread(f"pred/{name}.png", cv2.IMREAD_GRAYSCALE)
        Path(f"pred/{name}.png").unlink()
        write_image(f"pred/{name}.tif", change(pred))
    assert run_script(EVALUATE, f"{FOLDERS} --metrics conn sad --workers 1") == 0
    for name, expected in folder.items():
        found = [float(rows()[name][key]) for key in ("sad", "conn")]
        assert found == pytest.approx([expected[0], expected[3]], rel=1e-5)


def test_what_cannot_be_measured_is_named_and_the_rest_measured(run_script, folder, capsys):
    pred, trimap = (cv2.imread(f"{d}/a.png", cv2.IMREAD_GRAYSCALE) for d in ("pred", "trimaps"))
    write_image("pred/a.png", pred[1:])
    write_image("pred/d.png", pred)
    write_image("pred/e.png", np.dstack([pred, pred, 255 - pred]))
    write_image("pred/f.png", pred)
    for name in "ef":
        write_image(f"gt/{name}.png", pred)
        write_image(f"trimaps/{name}.png", np.where(trimap == 128, 120, trimap).astype(np.uint8))
    Path("pred/c.png").unlink()
    assert run_script(EVALUATE, FOLDERS) == 2
    told = capsys.readouterr()
    assert list(rows()) == ["b"]
    assert "(1 images, " in told.out
    assert [line.removeprefix("skipped: ") for line in told.err.splitlines()] == [
        "pred/d.png: has no ground truth in gt.",
        "pred/d.png: has no trimap in trimaps.",
        "gt/c.png: has no matte in pred.",
        "pred/a.png: must have the size of gt/a.png, 70x90, got 69x90.",
        "pred/e.png: must be grey, got colours. Is it the right file?",
        f"trimaps/f.png: must have no levels but 0, 128 and 255, got 120 in "
        f"{np.count_nonzero(trimap == 128)} pixels. Mend it, or have such levels snapped "
        "('levels: snap'; --snap of a script).",
    ]


def test_levels_of_trimaps_are_snapped_where_that_is_wanted(run_script, folder):
    trimap = cv2.imread("trimaps/a.png", cv2.IMREAD_GRAYSCALE)
    write_image("trimaps/a.png", np.choose(trimap // 127, [49, 200, 201]).astype(np.uint8))
    assert run_script(EVALUATE, f"{FOLDERS} --snap") == 0
    assert [float(rows()["a"][k]) for k in NAMES] == pytest.approx(folder["a"], rel=1e-5)


def test_a_trimap_without_unknown_pixels_is_named_and_the_rest_measured(run_script, folder, capsys):
    write_image("trimaps/a.png", np.zeros((70, 90), np.uint8))
    assert run_script(EVALUATE, FOLDERS) == 2
    assert list(rows()) == ["b", "c"]
    assert capsys.readouterr().err == (
        "skipped: trimaps/a.png: has no unknown pixel, so there is nothing to measure.\n"
    )


def test_a_merged_set_is_built_and_measured_with_the_alphas_of_its_foregrounds(
    run_script, tmp_path, capsys
):
    for seed, name in enumerate(("cat", "dog_7")):
        _, gt, trimap = mattes.furry(seed)
        write_image(f"fg/{name}.png", np.full((*gt.shape, 3), 200, np.uint8))
        write_image(f"alpha/{name}.png", to_bytes(gt))
        write_image(f"given/{name}.png", trimap)
    for k in range(6):
        write_image(f"photos/{k}.jpg", np.full((40, 40, 3), 20 * k, np.uint8))
    Path("bg.txt").write_text("5.jpg\n4.jpg\n3.jpg\n2.jpg\n")
    assert run_script(COPY, "--list bg.txt --source_dir photos --out_dir bg") == 0
    folders = "--fg_dir fg --alpha_dir alpha --bg_dir bg --bg_list bg.txt --trimap_dir given"
    for count in (4, 0):
        assert run_script(COMPOSE, f"{folders} --out_dir set --per_foreground 2") == 0
        assert capsys.readouterr().out.endswith(f"set: {count} images written\n")
    write_image("bg/2.jpg", np.full((40, 40, 3), 200, np.uint8))
    assert run_script(COMPOSE, f"{folders} --out_dir set --per_foreground 2") == 0
    assert "set: 1 result is made anew; what changed: background 2.jpg." in capsys.readouterr().err
    folders = "--pred_dir set/alpha_copy --gt_dir alpha --trimap_dir set/trimaps --out_dir out"
    assert run_script(EVALUATE, folders) == 0
    assert list(rows()) == ["cat_0", "cat_1", "dog_7_0", "dog_7_1"]
    assert {row["sad"] for row in rows().values()} == {"0.0"}
    assert run_script(COPY, "--list bg.txt --source_dir set/merged --out_dir x") == 2
    assert capsys.readouterr().err == (
        "set/merged: lacks 4 of the 4 images that bg.txt names: 5.jpg, 4.jpg, 3.jpg, 2.jpg. "
        "Is it the right folder?\n"
    )


def test_compared_mattes_are_made_anew_or_replaced_on_demand(run_script, tmp_path, capsys):
    _, gt, trimap = mattes.furry(0)
    write_image("set/merged/a.png", np.full((*gt.shape, 3), 90, np.uint8))
    write_image("set/alpha_copy/a.png", to_bytes(gt))
    write_image("set/trimaps/a.png", trimap)
    command = "--data_dir set --methods trimap --out_dir compared"
    assert run_script(COMPARE, command) == 0
    write_image("set/trimaps/a.png", np.where(trimap == 255, np.uint8(128), trimap))
    assert run_script(COMPARE, command) == 0
    told = "compared/trimap: 1 result is made anew; what changed: trimap a.png."
    assert told in capsys.readouterr().err
    write_image("compared/trimap/a.png", to_bytes(gt))
    assert run_script(COMPARE, command) == 2
    assert "compared/trimap/a.png: is there already, and" in capsys.readouterr().err
    assert run_script(COMPARE, f"{command} --overwrite") == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--out_dir out --seed -1", "argument --seed: must be a number of 0 or more, got '-1'"),
        ("--out_dir out --side 5000000", "--side: must be at most 4096, got 5000000"),
        ("--out_dir out --side 31", "argument --side: must be a number of 32 or more, got '31'"),
        (
            "--out_dir out --only zz*",
            "photos: needs at least two photographs that --only 'zz*' takes and --skip '' leaves, "
            "got 0.",
        ),
        ("--out_dir out --only a", "'a' takes and --skip '' leaves, got 1."),
        ("--out_dir file", "file: must be a folder, is a file."),
    ],
)
def test_sample_foregrounds_that_cannot_be_made_are_refused_first(
    run_script, capsys, arguments, told
):
    for name in "ab":
        write_image(f"photos/{name}.png", np.full((40, 40, 3), 90, np.uint8))
    Path("file").write_text("mine")
    assert run_script(SAMPLES, f"--photo_dir photos {arguments}") == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(told)
    assert not Path("out").exists()
