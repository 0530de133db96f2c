from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from smoothkit.core.errors import DataError, OptionError
from smoothkit.ops.filters import Candidate, parse_grid
from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.screening import Screening, screen
from smoothkit.systems.jess.contact_sheet import _small
from smoothkit.systems.jess.ground_truth import (
    choose_ground_truths,
    merge_selections,
)

GRID = parse_grid(["l0:lam=0.001,0.05", "bilateral"])


def textured_step(size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A step from dark to light, and the same under a fine texture."""
    clean = np.full((size, size, 3), 60, np.uint8)
    clean[:, size // 2 :] = 190
    noise = np.random.default_rng(0).integers(-25, 26, (size, size, 1))
    return clean, (clean + noise).astype(np.uint8)


def make(folder: Path, **options) -> dict[str, str | None]:
    done = choose_ground_truths(folder / "photos", folder / "out", GRID, **options)
    return {path.name: reason for path, reason in done}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _, photo = textured_step()
    write_image(tmp_path / "photos" / "a.png", photo)
    write_image(tmp_path / "photos" / "b.jpg", photo[:40])
    return tmp_path


def test_a_score_needs_edges_kept_and_texture_gone() -> None:
    clean, photo = textured_step()
    assert screen(photo, photo).score == pytest.approx(0, abs=1e-6)
    assert screen(photo, np.full_like(photo, 120)).score == pytest.approx(0, abs=1e-6)
    assert screen(photo, clean).score > 0.95
    assert screen(photo, cv2.GaussianBlur(photo, (0, 0), 3)).score < screen(photo, clean).score


def test_the_score_is_the_harmonic_mean_of_the_shares() -> None:
    assert Screening(edges=0.5, texture=1.0).score == pytest.approx(2 / 3)


def test_depth_and_grey_change_no_score() -> None:
    clean, photo = textured_step()
    score = screen(photo, clean).score
    deep = screen(photo.astype(np.uint16) * 257, clean.astype(np.uint16) * 257).score
    assert deep == pytest.approx(score, abs=1e-5)
    assert screen(photo[..., 0], clean[..., 0]).score == pytest.approx(score, abs=1e-5)


def test_a_sheet_shows_16_bits_at_the_level_of_8_that_they_reach() -> None:
    image = np.array([[[0, 256, 257], [513, 514, 65535]]], np.uint16)
    assert _small(image).tolist() == [[[0, 0, 1], [1, 2, 255]]]


def test_grid_is_all_combinations() -> None:
    grid = parse_grid(["rtv:lam=0.01,0.02:sigma=3", "l0"])
    assert [candidate.label for candidate in grid] == [
        "rtv_lam=0.01_sigma=3",
        "rtv_lam=0.02_sigma=3",
        "l0",
    ]
    assert grid[0] == Candidate("rtv", {"lam": 0.01, "sigma": 3})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rtf"], "^rtf: no such filter. Did you mean 'rtv'"),
        (["rtv:lambda=1"], "^rtv.lambda: rtv takes no such option"),
        (["rtv:lam=x"], "lam=x"),
        (["rtv:lam"], "lam="),
        (["l0:lam=0.1", "l0:lam=0.10"], "names a filter with the same settings twice"),
    ],
)
def test_faulty_grid_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        parse_grid(words)


def test_the_best_candidate_is_linked_and_shown(folder: Path) -> None:
    assert make(folder) == {"a.png": None, "b.jpg": None}
    out = folder / "out"
    chosen = json.loads(merge_selections(out).read_text())
    assert chosen["a"]["name"] == "l0_lam=0.05"
    assert chosen["a"]["settings"] == {"lam": 0.05}
    link, candidate = out / "SPS-GT" / "a.png", out / "candidates" / "a" / "l0_lam=0.05.png"
    assert os.path.samefile(link, candidate)
    page = (out / "sheets" / "a.html").read_text()
    assert page.count("<img") == 4
    assert page.count("CHOSEN") == 2  # text and alternative text of one figure
    assert read_image(out / "sheets" / "a.png").shape[1] == 4 * 280


def test_finished_photographs_are_left_alone_until_something_changed(folder: Path) -> None:
    make(folder)
    out = folder / "out"
    mark = out / "candidates" / "a" / "bilateral.png"
    mark.unlink()
    make(folder)
    assert not mark.exists()
    shutil.copy(folder / "photos" / "b.jpg", folder / "photos" / "a.png")
    make(folder)
    assert mark.exists()
    mark.unlink()
    (out / "SPS-GT" / "a.png").unlink()
    make(folder)
    assert mark.exists()


def test_ground_truths_of_another_grid_are_made_anew_and_that_is_told(folder, caplog) -> None:
    caplog.set_level("INFO")
    make(folder)
    out, grid = folder / "out", parse_grid(["l0:lam=0.02"])
    assert len(list(choose_ground_truths(folder / "photos", out, grid))) == 2
    chosen = json.loads(merge_selections(out).read_text())
    assert {row["name"] for row in chosen.values()} == {"l0_lam=0.02"}
    assert os.path.samefile(out / "SPS-GT/a.png", out / "candidates/a/l0_lam=0.02.png")
    assert 'out: 2 results are made anew; what changed: settings (grid ["l0_lam' in caplog.text


def test_ground_truths_that_no_note_tells_of_are_not_replaced(folder: Path) -> None:
    own = folder / "out/SPS-GT/b.png"
    write_image(own, np.zeros((40, 48, 3), np.uint8))
    with pytest.raises(DataError, match=r"SPS-GT/b\.png: is there already, and no note tells"):
        make(folder)
    assert read_image(own).max() == 0
    assert make(folder, overwrite=True) == {"a.png": None, "b.jpg": None}
    assert read_image(own).max() > 0


def test_a_photograph_that_can_no_longer_be_read_is_named_and_its_result_stays(folder: Path):
    make(folder)
    (folder / "photos/a.png").unlink()
    (folder / "photos/a.png").symlink_to("nowhere.png")
    shutil.copy(folder / "out/SPS-GT/a.png", folder / "photos/b.png")
    (folder / "photos/b.jpg").unlink()
    reasons = make(folder)
    assert reasons["b.png"] is None
    assert "a.png: no such file" in (reasons["a.png"] or "")
    assert (folder / "out/SPS-GT/a.png").exists()


def test_shards_make_what_one_machine_makes(folder: Path) -> None:
    assert list(make(folder, shard=(2, 2))) == ["b.jpg"]
    assert [path.name for path in (folder / "out" / "SPS-GT").iterdir()] == ["b.png"]
    assert list(make(folder, shard=(1, 2), workers=1)) == ["a.png"]
    assert sorted(json.loads(merge_selections(folder / "out").read_text())) == ["a", "b"]


def test_a_broken_photograph_is_named_and_the_others_are_made(folder: Path) -> None:
    (folder / "photos" / "a.png").write_bytes(b"no image")
    reasons = make(folder)
    assert "a.png: " in (reasons["a.png"] or "")
    assert (folder / "out" / "SPS-GT" / "b.png").exists()


def test_an_image_of_one_pixel_gets_a_ground_truth(folder: Path) -> None:
    write_image(folder / "photos" / "dot.png", np.full((1, 1, 3), 7, np.uint8))
    assert make(folder)["dot.png"] is None
    assert read_image(folder / "out" / "SPS-GT" / "dot.png").shape == (1, 1, 3)
