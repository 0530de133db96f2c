"""Making VOC-smooth: what is refused, with the reason, before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.files import write_bytes
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import read_image, write_image
from smoothkit.ops.labels import encode_labels, read_labels
from smoothkit.systems.csgis.prepare import make_voc_smooth
from smoothkit.systems.csgis.voc import Sources
from support.voc import QUICK, SIZE, STEMS, contents, make, pixels, write_voc

GIVEN = {"gt_dir": "gt", "over_dir": "over"}
MASK, PHOTO = "voc/SegmentationClass/2007_02.png", "voc/JPEGImages/2007_02.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_voc(tmp_path)
    return tmp_path


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
        (
            "2007_01,0\nnobody,1\n",
            r"map\.txt: names 'nobody', which .*tionClass and .*JPEGImages do ",
        ),
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


@pytest.mark.parametrize("name", ["train/own.png", "seg/own.png", "gt/9.png", "val/0.bmp"])
def test_images_among_the_results_that_no_note_tells_of_are_refused(root: Path, name: str) -> None:
    make(root)
    write_image(root / "out" / name, pixels("mine"))
    before = contents(root / "out")
    with pytest.raises(DataError, match=rf"out/{name}: is there already, .* Move it away"):
        make(root, replace(QUICK, seed=3))
    assert contents(root / "out") == before
    make(root, overwrite=True)
    assert contents(root / "out") == before


@pytest.mark.parametrize("name", ["over.json", "map.txt", "seg/1.png", "edge/0.png", "over/2.png"])
def test_results_that_no_note_tells_of_are_replaced_on_demand_only(root: Path, name: str) -> None:
    make(root)
    whole, path = contents(root / "out"), root / "out" / name
    mine = (root / "tx/wood.png").read_bytes() if path.suffix == ".png" else b"{}"
    path.write_bytes(mine)
    with pytest.raises(DataError, match=rf"out/{name}: is there already, .* --overwrite to repl"):
        make(root)
    assert path.read_bytes() == mine
    make(root, overwrite=True)
    assert contents(root / "out") == whole


@pytest.mark.parametrize("note", [None, b"[1]", b'{"seed', b"\xff\xfe"])
def test_pairs_of_which_nothing_is_noted_are_refused(root: Path, note: bytes | None) -> None:
    make(root)
    path = root / "out" / NOTE
    path.unlink()
    if note:
        path.write_bytes(note)
    before = contents(root / "out")
    with pytest.raises(DataError, match=r"\.png: is there already, and no note .* as of 24 files"):
        make(root)
    assert contents(root / "out") == before
    make(root, overwrite=True)
    assert make(root).written == 0
    assert contents(root / "out") == before


@pytest.mark.parametrize("out", ["voc", "voc/SegmentationClass", "gt", "over", "tx", "gt/../voc"])
def test_a_folder_of_sources_gets_no_results(root: Path, out: str) -> None:
    before = contents(root)
    with pytest.raises(DataError, match=r": holds what it is to be made from\. Give another"):
        make(root, out=out, gt_dir=root / "gt", over_dir=root / "over")
    assert contents(root) == before


@pytest.mark.parametrize("out", ["tx/wood.png", "tx/wood.png/out"])
def test_results_do_not_go_into_a_file(root: Path, out: str) -> None:
    with pytest.raises(DataError, match=r"wood\.png: is a file, where a folder is to be\."):
        make(root, out=out)


def test_a_name_that_several_folders_lack_is_told_once(root: Path) -> None:
    (root / "map.txt").write_text("2007_01,0\nnobody,1\n")
    with pytest.raises(
        DataError, match=r"names 'nobody', which .*Class and .*gt and .* do not h"
    ) as e:
        make(root, map_file=root / "map.txt", gt_dir=root / "gt")
    assert str(e.value).count("nobody") == 1
    remove(root / MASK)
    remove(root / "over/2007_02.png")
    with pytest.raises(
        DataError, match=r"^\S*Class and \S*over: have no image '2007_02'\. Add it"
    ) as e:
        make(root, gt_dir=root / "gt", over_dir=root / "over")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("file", ["over/2007_02.png", PHOTO, "tx/wood.png"])
def test_transparency_is_refused_without_speaking_of_option_files(root: Path, file: str) -> None:
    image = read_image(root / file)
    write_image(root / file, np.dstack([image, image[..., 0]]))
    with pytest.raises(DataError, match=r"\.png: has an alpha channel\. Remove it\.$"):
        make(root, over_dir=root / "over")
