from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.lsa.trimap import make_trimap, trimap_from_mask
from smoothkit.systems.lsa.trimaps import AlphaRule, MaskRule, make_trimaps

SCRIPT = "data_preparation/make_trimaps.py"


def disc(radius: float) -> np.ndarray:
    down, right = np.mgrid[:60, :70]
    distance = np.hypot(down - 30, right - 35)
    return np.clip((radius - distance) * 60 + 128, 0, 255).astype(np.uint8)


@pytest.fixture
def alphas(tmp_path: Path) -> Path:
    for name, radius in (("a", 10), ("b", 15), ("c", 20)):
        write_image(tmp_path / f"alphas/{name}.png", disc(radius))
    return tmp_path / "alphas"


def read(path: Path) -> np.ndarray:
    return read_image(path, mode="whole")


def noted(folder: Path) -> dict:
    """Settings of each trimap that is there, as last noted."""
    lines = map(json.loads, (folder / NOTE).read_text().splitlines())
    found = {Path(line["result"]).stem: line["settings"] for line in lines if "result" in line}
    return {stem: found[stem] for stem in sorted(found) if (folder / f"{stem}.png").exists()}


def test_trimaps_follow_the_radii_noted_beside_them(alphas: Path, tmp_path: Path) -> None:
    assert len(list(make_trimaps(alphas, tmp_path / "out", AlphaRule(seed=3)))) == 3
    found = noted(tmp_path / "out")
    for name, radius in (("a", 10), ("b", 15), ("c", 20)):
        radii = found[name]
        assert (radii["radius"], radii["seed"]) == ([1, 24], 3)
        expected = make_trimap(disc(radius), radii["background_radius"], radii["foreground_radius"])
        np.testing.assert_array_equal(read(tmp_path / f"out/{name}.png"), expected)


def test_radii_depend_on_seed_and_name_alone(alphas: Path, tmp_path: Path) -> None:
    list(make_trimaps(alphas, tmp_path / "all", AlphaRule()))
    (alphas / "a.png").unlink()
    list(make_trimaps(alphas, tmp_path / "some", AlphaRule()))
    assert noted(tmp_path / "some")["b"] == noted(tmp_path / "all")["b"]
    drawn = {AlphaRule(seed=seed).radii("b") for seed in range(20)}
    assert len(drawn) > 10
    assert AlphaRule(7, 7).radii("b") == (7, 7)


def test_a_former_run_is_gone_on_with(alphas: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(make_trimaps(alphas, out, AlphaRule()))
    (out / "b.png").unlink()
    write_image(alphas / "c.png", disc(25))
    os.utime(alphas / "c.png", (1, 1))  # older than its trimap, which tells nothing
    os.utime(out / "a.png", (1, 1))
    list(make_trimaps(alphas, out, AlphaRule()))
    assert (out / "a.png").stat().st_mtime == 1
    assert read(out / "b.png").shape == (60, 70)
    np.testing.assert_array_equal(read(out / "c.png"), AlphaRule().trimap(disc(25), "c"))


def test_the_note_keeps_the_radii_of_other_sources_by_the_same_rule(alphas, tmp_path) -> None:
    write_image(tmp_path / "more/d.png", disc(12))
    for folder in (alphas, tmp_path / "more"):
        list(make_trimaps(folder, tmp_path / "out", AlphaRule(seed=3)))
    images = noted(tmp_path / "out")
    assert sorted(images) == ["a", "b", "c", "d"]
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    for name, radii in images.items():
        drawn = (radii["background_radius"], radii["foreground_radius"])
        assert AlphaRule(seed=3).radii(name) == drawn


@pytest.mark.parametrize("other", [AlphaRule(seed=1), AlphaRule(1, 9), MaskRule()])
def test_trimaps_of_another_rule_are_made_anew(alphas, tmp_path, other, caplog) -> None:
    caplog.set_level("INFO")
    list(make_trimaps(alphas, tmp_path / "out", AlphaRule()))
    list(make_trimaps(alphas, tmp_path / "out", other))
    for name, radius in (("a", 10), ("b", 15), ("c", 20)):
        expected = other.trimap(disc(radius), name)
        np.testing.assert_array_equal(read(tmp_path / f"out/{name}.png"), expected)
    assert "made anew; what changed:" in caplog.text


def test_images_of_others_are_not_replaced(alphas: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"alphas: holds the sources, which would be replaced"):
        make_trimaps(alphas, alphas, AlphaRule())
    write_image(tmp_path / "out/b.png", disc(3))
    with pytest.raises(DataError, match=r"out/b\.png: is there already, and no note .*overwrite"):
        make_trimaps(alphas, tmp_path / "out", AlphaRule())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]
    assert len(list(make_trimaps(alphas, tmp_path / "out", AlphaRule(), overwrite=True))) == 3
    np.testing.assert_array_equal(read(tmp_path / "out/b.png"), AlphaRule().trimap(disc(15), "b"))


def test_images_that_cannot_be_used_are_named_at_the_end_and_not_noted(alphas, tmp_path) -> None:
    (alphas / "a.png").write_bytes((alphas / "a.png").read_bytes()[:-200])
    write_image(alphas / "b.png", np.dstack([disc(9), disc(9), disc(5)]))
    made = []
    with pytest.raises(DataError) as caught:
        made += (path.name for path, _ in make_trimaps(alphas, tmp_path / "out", AlphaRule()))
    damaged, coloured = str(caught.value).splitlines()
    assert damaged.startswith(f"{alphas / 'a.png'}: cannot be decoded")
    assert coloured.startswith(f"{alphas / 'b.png'}: must be grey")
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["c.png"]
    assert list(noted(tmp_path / "out")) == ["c"]
    for name in "ab":
        write_image(alphas / f"{name}.png", disc(9))
    list(make_trimaps(alphas, tmp_path / "out", AlphaRule()))
    assert sorted(noted(tmp_path / "out")) == ["a", "b", "c"]


def test_a_run_that_is_stopped_notes_what_it_has_made(alphas: Path, tmp_path: Path) -> None:
    made = make_trimaps(alphas, tmp_path / "out", AlphaRule(), workers=1)
    next(made)
    made.close()
    there = sorted(path.stem for path in (tmp_path / "out").glob("*.png"))
    assert list(noted(tmp_path / "out")) == there
    list(make_trimaps(alphas, tmp_path / "out", AlphaRule()))
    assert list(noted(tmp_path / "out")) == ["a", "b", "c"]


def test_masks_make_trimaps_too(tmp_path: Path) -> None:
    mask = np.where(disc(12) > 128, 255, 0).astype(np.uint8)
    write_image(tmp_path / "masks/a.jpg", np.dstack([mask] * 3))
    list(make_trimaps(tmp_path / "masks", tmp_path / "out", MaskRule(4, 6)))
    stored = read(tmp_path / "masks/a.jpg")[..., 0]
    np.testing.assert_array_equal(read(tmp_path / "out/a.png"), trimap_from_mask(stored, 4, 6))
    assert noted(tmp_path / "out")["a"] == {"erode": 4, "dilate": 6}


def test_a_trimap_without_unknown_pixels_is_told(tmp_path: Path) -> None:
    write_image(tmp_path / "alphas/a.png", np.full((9, 9), 255, np.uint8))
    ((path, odd),) = make_trimaps(tmp_path / "alphas", tmp_path / "out", AlphaRule())
    assert (path, odd) == (tmp_path / "out/a.png", "has no unknown pixel")


def test_rules_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"radius: must be one or two rising numbers"):
        AlphaRule(5, 4)
    with pytest.raises(ValueError, match=r"erode: must be 0 or more, got -1"):
        MaskRule(erode=-1)


def test_the_script_makes_trimaps_of_alphas_and_masks(alphas, tmp_path, run_script, capsys) -> None:
    assert run_script(SCRIPT, "--alpha_dir alphas --out_dir fixed --radius 5 --seed 2") == 0
    assert capsys.readouterr().out == "fixed: 3 trimaps\n"
    assert noted(tmp_path / "fixed")["a"]["background_radius"] == 5
    expected = make_trimap(disc(15), 5, 5)
    np.testing.assert_array_equal(read(tmp_path / "fixed/b.png"), expected)
    assert run_script(SCRIPT, "--alpha_dir alphas --out_dir fixed --radius 6 --seed 2") == 0
    assert "fixed: 3 results are made anew; what changed: settings (ra" in capsys.readouterr().err
    assert run_script(SCRIPT, "--mask_dir alphas --out_dir masked --erode 3") == 0
    assert noted(tmp_path / "masked")["b"] == {"erode": 3, "dilate": 10}


def test_the_script_says_in_one_line_what_is_wrong(alphas, run_script, capsys) -> None:
    assert run_script(SCRIPT, "--alpha_dir alphas --out_dir out") == 0
    capsys.readouterr()
    (alphas.parent / "out/b.png").write_bytes((alphas / "b.png").read_bytes())
    for arguments, told in (
        ("--alpha_dir alphas --out_dir out", "out/b.png: is there already, and no note tells"),
        ("--alpha_dir nowhere --out_dir new", "nowhere"),
        ("--mask_dir alphas --out_dir new --radius 3", "go with --alpha_dir"),
        ("--alpha_dir alphas --out_dir new --dilate 3", "go with --mask_dir"),
        ("--alpha_dir alphas --out_dir new --radius 5 4", "must be one or two rising numbers"),
        ("--alpha_dir alphas --out_dir new --radius 1 2 3", "must be one or two rising numbers"),
        (f"--alpha_dir alphas --out_dir new --radius {10**19}", "from 0 to 1000000000, got 1000"),
        ("--alpha_dir alphas --out_dir alphas/a.png", "a.png: must be a folder, is a file."),
        ("--out_dir new", "--alpha_dir"),
    ):
        assert run_script(SCRIPT, arguments) == 2
        assert told in capsys.readouterr().err.strip().splitlines()[-1]


def test_estimated_alphas_without_foreground_are_told_and_mended_by_a_threshold(tmp_path):
    alpha = np.full((40, 40), 2, np.uint8)
    alpha[10:30, 10:30] = 251
    alpha[19:21, 10:30] = 120
    (tmp_path / "alphas").mkdir()
    write_image(tmp_path / "alphas/a.png", alpha)
    ((_, odd),) = make_trimaps(tmp_path / "alphas", tmp_path / "plain", AlphaRule(2, 2))
    advice = "if the alpha is estimated, set --threshold 8"
    assert odd == f"has no foreground and no background pixel; {advice}"
    ((path, odd),) = make_trimaps(tmp_path / "alphas", tmp_path / "out", AlphaRule(2, 2, 0, 8))
    assert odd is None
    assert set(np.unique(read_image(path, mode="whole"))) == {0, 128, 255}
