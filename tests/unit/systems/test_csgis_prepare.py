"""Making VOC-smooth: what is in it, and how a run goes on."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smoothkit.data.prepare.blending import blend_folder
from smoothkit.data.prepare.numbering import read_map
from smoothkit.data.prepare.splitting import split_val
from smoothkit.ops.filters import apply_filter, parse_grid
from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.labels import read_labels, voc_palette
from smoothkit.systems.csgis.over_smoothed import STRONG_FILTERS, draw_filter
from smoothkit.systems.csgis.prepare import make_voc_smooth
from smoothkit.systems.csgis.voc import Sources, select
from support.voc import QUICK, SIZE, STEMS, contents, labels_of, make, pixels, write_voc

TESTS = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_voc(tmp_path)
    return tmp_path


def stems_in(root: Path) -> list[str]:
    return list(read_map(root / "out/map.txt"))


def test_photographs_become_ground_truths_and_over_smoothed_images(root: Path) -> None:
    made = make(root)
    strong = parse_grid(QUICK.over_filters)
    noted = json.loads((root / "out/over.json").read_text())
    for b, stem in enumerate(STEMS):
        gt = read_image(root / f"out/gt/{b}.png")
        np.testing.assert_array_equal(gt, apply_filter("bilateral", pixels(stem), {}))
        drawn = draw_filter(stem, strong, QUICK.seed)
        over = read_image(root / f"out/over/{b}.png")
        expected = apply_filter(drawn.method, pixels(stem), drawn.settings)
        np.testing.assert_array_equal(over, expected)
        assert noted[stem] == {"number": b, "method": drawn.method, "settings": drawn.settings}
    assert (root / "out/map.txt").read_bytes() == b"2007_01,0\n2007_02,1\n2007_03,2\n2007_04,3\n"
    assert (made.images, made.textures, made.written) == (4, 2, 8)
    assert made.pairs == {"train": 4, "val": 3, "val_small": 1}
    assert sum(made.filters.values()) == 4


def test_pairs_and_edges_belong_to_the_renamed_ground_truths(root: Path) -> None:
    make(root)
    pairs = {path.name: path for path in (root / "out").glob("[tv]*/*.png")}
    assert sorted(pairs) == [f"{number}.png" for number in range(8)]
    for number in range(8):
        gt = read_image(root / f"out/gt/{number % 4}.png")
        np.testing.assert_array_equal(read_image(pairs[f"{number}.png"])[:, : SIZE[1]], gt)
    assert sorted(path.name for path in (root / "out/edge").iterdir()) == [
        f"{b}.png" for b in range(4)
    ]


def test_palette_and_grey_masks_are_copied_and_colours_get_vocs_palette(root: Path) -> None:
    folder = root / "voc/SegmentationClass"
    expected = [labels_of(stem) for stem in STEMS]
    Image.fromarray(expected[1]).save(folder / f"{STEMS[1]}.png")
    Image.fromarray(voc_palette()[expected[2]]).save(folder / f"{STEMS[2]}.png")
    make(root)
    for b, (stem, labels) in enumerate(zip(STEMS, expected, strict=True)):
        made, given = root / f"out/seg/{b}.png", folder / f"{stem}.png"
        assert (made.read_bytes() == given.read_bytes()) == (b != 2)
        with Image.open(made) as image:
            assert image.mode == ("L" if b == 1 else "P")
        np.testing.assert_array_equal(read_labels(made), labels)


def test_given_images_are_taken_by_name_and_need_no_photographs(root: Path) -> None:
    gt = root / f"gt/{STEMS[0]}.png"
    write_image(gt.with_suffix(".bmp"), read_image(gt))
    gt.unlink()
    (root / f"gt/{STEMS[3]}.png").unlink()
    for photo in (root / "voc/JPEGImages").iterdir():
        photo.unlink()
    (root / "voc/JPEGImages").rmdir()
    made = make(root, gt_dir=root / "gt", over_dir=root / "over")
    assert stems_in(root) == list(STEMS[:3])
    assert made.filters == {}
    for b, stem in enumerate(STEMS[:3]):
        for folder in ("gt", "over"):
            image = read_image(root / f"out/{folder}/{b}.png")
            np.testing.assert_array_equal(image, pixels(folder + stem))
    assert json.loads((root / "out/over.json").read_text())[STEMS[1]]["file"] == f"{STEMS[1]}.png"


def test_the_filter_of_an_image_depends_on_its_name_and_the_seed_only() -> None:
    strong = parse_grid(STRONG_FILTERS)
    draws = [[draw_filter(f"{n}", strong, seed).label for n in range(500)] for seed in (0, 1)]
    assert draws[0] != draws[1]
    for candidate in strong:
        assert draws[0].count(candidate.label) == pytest.approx(100, abs=35)
    assert draw_filter("7", strong, 0).label == draws[0][7]


def test_another_choice_of_images_leaves_their_over_smoothed_images(root: Path) -> None:
    make(root)
    make(root, out="few", num_gt=2)
    few = read_map(root / "few/map.txt")
    assert len(few) == 2
    for stem, b in few.items():
        whole = (root / f"out/over/{STEMS.index(stem)}.png").read_bytes()
        assert (root / f"few/over/{b}.png").read_bytes() == whole


def test_the_seed_draws_the_images(root: Path) -> None:
    sources = Sources(root / "voc", root / "tx", num_gt=2)
    drawn = [tuple(e.stem for e in select(sources, seed).entries) for seed in range(30)]
    assert len(set(drawn)) == 6  # all pairs of four
    assert all(list(pair) == sorted(pair) for pair in drawn)


def test_150_photographs_are_taken_unless_told_otherwise(root: Path) -> None:
    folders = (root / "voc/JPEGImages", root / "voc/SegmentationClass", root / "gt")
    for number in range(151):
        for folder in folders:
            (folder / f"x{number}.png").touch()
    sources = Sources(root / "voc", root / "tx")
    assert len(select(sources).entries) == 150
    assert len(select(replace(sources, gt_dir=root / "gt")).entries) == 155


def test_a_list_of_names_leaves_others_out(root: Path) -> None:
    (root / "train.txt").write_text("2007_03 -1\n2007_01  1\n\nnowhere\n2007_01\n")
    made = make(root, names=root / "train.txt")
    assert stems_in(root) == ["2007_01", "2007_03"]
    assert made.left_out == ["nowhere"]


def test_a_map_says_what_takes_part_and_keeps_the_numbers(root: Path) -> None:
    (root / "old.txt").write_text("2007_03 ,0\n2007_01,1\n\n")
    make(root, map_file=root / "old.txt", gt_dir=root / "gt")
    assert (root / "out/map.txt").read_text() == "2007_03,0\n2007_01,1\n"
    np.testing.assert_array_equal(read_image(root / "out/gt/0.png"), pixels("gt2007_03"))
    np.testing.assert_array_equal(read_labels(root / "out/seg/1.png"), labels_of("2007_01"))
    with pytest.raises(ValueError, match="map_file: says what takes part"):
        make(root, map_file=root / "old.txt", num_gt=1)


def test_a_second_run_leaves_every_file_alone(root: Path) -> None:
    make(root)
    before = {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*.*g")}
    assert make(root).written == 0
    assert {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*.*g")} == before
    assert len(before) == 24


def test_a_run_stopped_anywhere_is_completed_and_makes_nothing_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.replace, 0

    def stopped(at: int | None) -> Any:
        turns = count(1)

        def renamed(source: Path, target: Path) -> None:
            nonlocal calls
            if next(turns) == at:
                raise KeyboardInterrupt
            calls += 1
            real(source, target)

        return renamed

    monkeypatch.setattr(os, "replace", stopped(None))
    make(root, out="whole")
    whole, needed = contents(root / "whole"), calls
    assert needed == len(whole) == 26
    for at in range(1, needed + 1, 3):
        calls = 0
        monkeypatch.setattr(os, "replace", stopped(at))
        with pytest.raises(KeyboardInterrupt):
            make(root, out=f"out{at}")
        assert set(contents(root / f"out{at}").values()) <= set(whole.values())
        monkeypatch.setattr(os, "replace", stopped(None))
        make(root, out=f"out{at}")
        assert contents(root / f"out{at}") == whole
        assert calls == needed


def test_a_killed_run_leaves_no_half_written_file_and_goes_on(root: Path, run_python) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from support.kill_at import arm\n"
        "from support.voc import make\n"
        "arm('fsync', 21)  # a file has its content, but no name\n"
        "make(Path(sys.argv[2]))\n"
    )
    assert run_python("-c", code, str(TESTS), str(root)).returncode == -signal.SIGKILL
    assert list((root / "out").rglob(".*.partial"))
    make(root)
    make(root, out="whole")
    assert contents(root / "out") == contents(root / "whole")


def test_the_pairs_for_validation_are_those_that_a_split_without_val_small_draws(
    root: Path,
) -> None:
    make(root, replace(QUICK, num_val_small=2))
    make(root, replace(QUICK, num_val_small=0), out="plain")
    kept, small = (contents(root / f"out/{folder}") for folder in ("val", "val_small"))
    assert (len(kept), len(small)) == (2, 2)
    assert kept | small == contents(root / "plain/val")
    blend_folder(root / "tx", root / "out/gt", root / "blended")
    drawn = split_val(root / "blended/train", root / "blended/val", fraction=0.5)
    assert {path.name: path.read_bytes() for path in drawn} == kept | small


def test_half_of_few_pairs_for_validation_goes_to_val_small(root: Path) -> None:
    made = make(root, replace(QUICK, num_val_small=None, val_fraction=0.7))
    assert made.pairs == {"train": 3, "val": 3, "val_small": 2}


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (
            {"val_fraction": 0.1, "num_val_small": None},
            "val is empty: 0.1 of 8 pairs is less than one. Raise",
        ),
        ({"num_val_small": 4}, "val is empty: val_small gets all 4 pairs for validation. Raise"),
        ({"num_val_small": 3}, None),
        ({"num_val_small": 0}, None),
    ],
)
def test_an_empty_val_is_told_before_anything_is_made(
    root: Path, recipe: dict[str, Any], told: str | None
) -> None:
    lines: list[tuple[str, bool]] = []
    sources = Sources(root / "voc", root / "tx")

    def warn(line: str) -> None:
        lines.append((line, (root / "out/train").exists()))

    made = make_voc_smooth(sources, root / "out", replace(QUICK, **recipe), warn=warn)
    assert (made.pairs["val"] == 0) == bool(told)
    assert [(line[: len(told or "")], is_late) for line, is_late in lines] == (
        [(told, False)] if told else []
    )


@pytest.mark.parametrize(("objects", "is_told"), [(255, True), (0, True), (1, False), (20, False)])
def test_masks_without_a_class_but_the_background_are_told(
    root: Path, objects: int, is_told: bool
) -> None:
    for stem in STEMS:
        mask = np.zeros(SIZE, np.uint8)
        mask[:3] = objects
        Image.fromarray(mask).save(root / f"voc/SegmentationClass/{stem}.png")
    lines: list[str] = []
    sources = Sources(root / "voc", root / "tx")
    made = make_voc_smooth(sources, root / "out", QUICK, warn=lines.append)
    assert made.class_shares == ({0: 0.75, objects: 0.25} if objects else {0: 1.0})
    assert [": no mask holds a class but 0, " in line for line in lines] == [True] * is_told


def test_a_byte_order_mark_belongs_to_no_name(root: Path) -> None:
    (root / "old.txt").write_text("2007_03,0\n2007_01,1\n", "utf-8-sig")
    make(root, map_file=root / "old.txt")
    assert stems_in(root) == ["2007_03", "2007_01"]
    (root / "names.txt").write_text("2007_02\n2007_04\n", "utf-8-sig")
    assert make(root, out="few", names=root / "names.txt").left_out == []
