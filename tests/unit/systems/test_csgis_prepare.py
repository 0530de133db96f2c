"""Making VOC-smooth: what is in it, what is refused, and how a run goes on."""

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

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.files import write_bytes
from smoothkit.data.prepare.blending import read_map, split_val
from smoothkit.ops.filters import apply_filter, parse_grid
from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.labels import encode_labels, read_labels, voc_palette
from smoothkit.systems.csgis.over_smoothed import STRONG_FILTERS, draw_filter
from smoothkit.systems.csgis.plan import Recipe
from smoothkit.systems.csgis.prepare import Summary, make_voc_smooth
from smoothkit.systems.csgis.voc import Sources, select

TESTS = Path(__file__).parents[2]
STEMS = ("2007_01", "2007_02", "2007_03", "2007_04")
SIZE = (12, 10)
QUICK = Recipe(
    gt_filter="bilateral",
    over_filters=("l0:lam=0.05", "bilateral_opencv:d=5"),
    val_fraction=0.5,
    num_val_small=1,
)


def pixels(name: str, size: tuple[int, int] = SIZE) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return rng.integers(0, 256, (*size, 3)).astype(np.uint8)


def labels_of(name: str) -> np.ndarray:
    labels = pixels(name)[..., 0] % 3
    labels[0] = 255
    return labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """VOC of four images, two textures, and smooth and over-smoothed images to give or not."""
    for stem in STEMS:
        write_image(tmp_path / f"voc/JPEGImages/{stem}.png", pixels(stem))
        write_bytes(tmp_path / f"voc/SegmentationClass/{stem}.png", encode_labels(labels_of(stem)))
        for folder in ("gt", "over"):
            write_image(tmp_path / folder / f"{stem}.png", pixels(folder + stem))
    for name in ("brick", "wood"):
        write_image(tmp_path / f"tx/{name}.png", pixels(name, (5, 4)))
    return tmp_path


def make(root: Path, recipe: Recipe = QUICK, out: str = "out", **chosen: Any) -> Summary:
    sources = Sources(root / "voc", root / "tx", **chosen)
    return make_voc_smooth(sources, root / out, recipe, workers=1)


def stems_in(root: Path) -> list[str]:
    return list(read_map(root / "out/map.txt"))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


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
    (root / "old.txt").write_text("2007_03,0\n2007_01,1\n")
    make(root, map_file=root / "old.txt", gt_dir=root / "gt")
    assert (root / "out/map.txt").read_text() == "2007_03,0\n2007_01,1\n"
    np.testing.assert_array_equal(read_image(root / "out/gt/0.png"), pixels("gt2007_03"))
    np.testing.assert_array_equal(read_labels(root / "out/seg/1.png"), labels_of("2007_01"))
    with pytest.raises(ValueError, match="map_file: says what takes part"):
        make(root, map_file=root / "old.txt", num_gt=1)


def remove(path: Path) -> None:
    path.unlink()


def shrink(path: Path) -> None:
    write_image(path, read_image(path)[1:])


def shrink_mask(path: Path) -> None:
    write_bytes(path, encode_labels(read_labels(path)[:, 1:]))


def new_class(path: Path) -> None:
    write_bytes(path, encode_labels(np.full(SIZE, 21, np.uint8)))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def double(path: Path) -> None:
    write_image(path.with_suffix(".bmp"), read_image(path))


GIVEN = {"gt_dir": "gt", "over_dir": "over"}
MASK, PHOTO = "voc/SegmentationClass/2007_02.png", "voc/JPEGImages/2007_02.png"


@pytest.mark.parametrize(
    ("spoil", "file", "given", "told"),
    [
        (remove, PHOTO, {}, r"JPEGImages: has no image '2007_02'\. Add it, or leave"),
        (remove, MASK, {"gt_dir": "gt"}, r"SegmentationClass: has no image '2007_02'"),
        (remove, "over/2007_02.png", GIVEN, r"over: has no image '2007_02'"),
        (shrink, "over/2007_02.png", GIVEN, r"over.2007_02\.png: must have the size of .*gt.2007"),
        (shrink, PHOTO, {"gt_dir": "gt"}, r"JPEGImages.2007_02\.png: .* 12x10, got 11x10\."),
        (shrink_mask, MASK, {}, r"Class.2007_02\.png: must .*JPEGImages.*, 12x10, got 12x9\."),
        (new_class, MASK, {}, r"2007_02\.png: holds the value 21 at row 0, column 0; classes are"),
        (cut_off, MASK, {}, r"2007_02\.png: cannot be decoded"),
        (cut_off, "tx/wood.png", {}, r"wood\.png: cannot be decoded"),
        (double, PHOTO, {}, r"2007_02\.png: has the name of 2007_02\.bmp\. Rename one"),
        (double, "gt/2007_02.png", GIVEN, r"2007_02\.png: has the name of 2007_02\.bmp"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_written(
    root: Path, spoil: Any, file: str, given: dict[str, str], told: str
) -> None:
    spoil(root / file)
    with pytest.raises(DataError, match=told):
        make(root, **{option: root / folder for option, folder in given.items()})
    assert not (root / "out").exists()


def test_masks_of_fewer_classes_than_they_have_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"classes are 0 to 1 \(num_classes 2\) and 255"):
        make(root, replace(QUICK, num_classes=2))


def test_of_many_faults_the_first_few_are_listed_with_their_count(root: Path) -> None:
    for stem in STEMS:
        cut_off(root / f"voc/SegmentationClass/{stem}.png")
        shrink(root / f"over/{stem}.png")
    with pytest.raises(DataError) as caught:
        make(root, over_dir=root / "over")
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "... and 3 more; 8 faults in all."


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("2007_01,0\nnobody,1\n", r"SegmentationClass: has no image 'nobody'"),
        ("2007_01,0\n2007_01,1\n", r"map\.txt:2: must be a new '<name>,<number>'"),
        ("2007_01,0\n2007_02,0\n", r"must have the numbers 0 to 1 once each"),
        ("", r"map\.txt: names no image"),
    ],
)
def test_a_faulty_map_is_refused(root: Path, content: str, told: str) -> None:
    (root / "map.txt").write_text(content)
    with pytest.raises(DataError, match=told):
        make(root, map_file=root / "map.txt")
    assert not (root / "out").exists()


@pytest.mark.parametrize(
    ("recipe", "chosen", "told"),
    [
        ({}, {"num_gt": 5}, r"^--num_gt: must be at most 4, which .*SegmentationClass has, got 5"),
        ({"num_val_small": 5}, {}, r"^--num_val_small: must be at most 4, .* got 5"),
        ({"gt_filter": "l0:lam=0.1,0.2"}, {}, r"^--gt_filter l0:lam=0\.1,0\.2: must give one"),
        ({"over_filters": ["rtf"]}, {}, r"^rtf: no such filter"),
    ],
)
def test_choices_that_cannot_be_met_are_refused(
    root: Path, recipe: dict[str, Any], chosen: dict[str, Any], told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        make(root, replace(QUICK, **recipe), **chosen)
    assert not (root / "out").exists()


def test_a_folder_that_is_not_vocs_is_told(root: Path) -> None:
    with pytest.raises(DataError, match=r"tx: has no folder 'SegmentationClass'\. Give VOC's"):
        make_voc_smooth(Sources(root / "tx", root / "tx"), root / "out", QUICK)


def test_results_are_not_taken_as_sources(root: Path) -> None:
    make(root)
    with pytest.raises(DataError, match=r"out.gt: is where results go"):
        make(root, gt_dir=root / "out/gt")


def test_a_second_run_leaves_every_file_alone(root: Path) -> None:
    make(root)
    before = {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*")}
    assert make(root).written == 0
    assert {path: path.stat().st_mtime_ns for path in (root / "out").rglob("*")} == before


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
    assert needed > 30
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
        "from unit.systems.test_csgis_prepare import make\n"
        "arm('fsync', 21)  # a file has its content, but no name\n"
        "make(Path(sys.argv[2]))\n"
    )
    assert run_python("-c", code, str(TESTS), str(root)).returncode == -signal.SIGKILL
    assert list((root / "out").rglob(".*.partial"))
    make(root)
    make(root, out="whole")
    assert contents(root / "out") == contents(root / "whole")


def changed_photo(root: Path) -> None:
    write_image(root / PHOTO, pixels("another"))


def changed_texture(root: Path) -> None:
    write_image(root / "tx/wood.png", pixels("another"))


def changed_mask(root: Path) -> None:
    write_bytes(root / MASK, encode_labels(np.zeros(SIZE, np.uint8)))


@pytest.mark.parametrize(
    ("change", "recipe", "told"),
    [
        (changed_texture, {}, "images. Give an empty folder, or the former textures."),
        (changed_mask, {}, "images. Give an empty folder, or the former masks."),
        (
            changed_photo,
            {},
            "images. Give an empty folder, or the former ground truths and over-smoothed images.",
        ),
        (None, {"gt_filter": "bilateral:d=3"}, "images. Give .* the former ground truths."),
        (
            None,
            {"over_filters": ["l0:lam=0.06", "bilateral_opencv:d=5"]},
            "images. Give .* the former over-smoothed images.",
        ),
        (None, {"val_fraction": 0.25}, "settings. Give an empty folder, or the former settings."),
        (None, {"edge_channel": "gray"}, "settings. Give an empty folder"),
    ],
)
def test_other_sources_are_refused_and_change_nothing(
    root: Path, change: Any, recipe: dict[str, Any], told: str
) -> None:
    make(root)
    before = contents(root / "out")
    if change:
        change(root)
    with pytest.raises(DataError, match=rf"out: has pairs made from other {told}"):
        make(root, replace(QUICK, **recipe))
    assert contents(root / "out") == before


def test_the_pairs_for_validation_are_those_that_a_split_without_val_small_draws(
    root: Path,
) -> None:
    make(root, replace(QUICK, num_val_small=2))
    make(root, replace(QUICK, num_val_small=0), out="plain")
    kept, small = (contents(root / f"out/{folder}") for folder in ("val", "val_small"))
    assert (len(kept), len(small)) == (2, 2)
    assert kept | small == contents(root / "plain/val")
    again = split_val(
        root / "out/train",
        root / "out/val",
        fraction=0.5,
        small_dir=root / "out/val_small",
        num_small=2,
    )
    assert {path.name for path in again} == set(kept | small)
    assert contents(root / "out/val_small") == small


def test_half_of_few_pairs_for_validation_goes_to_val_small(root: Path) -> None:
    made = make(root, replace(QUICK, num_val_small=None, val_fraction=0.7))
    assert made.pairs == {"train": 3, "val": 3, "val_small": 2}


def test_a_pair_that_another_draw_put_into_val_small_is_named(root: Path) -> None:
    make(root)
    stray = next((root / "out/train").iterdir())
    stray.rename(root / "out/val_small" / stray.name)
    with pytest.raises(DataError, match=rf"val_small.{stray.name}: is not of this draw"):
        make(root)
