"""Folders of patches: what goes into them, running again, and what is refused."""

from __future__ import annotations

import logging
import math
import os
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.ops.io import encode_image, read_image, write_image
from smoothkit.systems.hggt_enhance.prepare.min_dist import MinDist
from smoothkit.systems.hggt_enhance.prepare.patch_cells import Rule
from smoothkit.systems.hggt_enhance.prepare.patch_draws import draw_corners
from smoothkit.systems.hggt_enhance.prepare.patch_select import select_patches
from support.enhanced import make_sets, picture, sharper, tree

RULE = Rule(crop_size=32, step_size=24)
SCRIPT = "data_preparation/patch_select.py"
FLAGS = "--img_path in --save_path out --crop_size 32 --step_size 24"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_sets(tmp_path / "in")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def listed(out: Path) -> list[str]:
    """Sets of the text file, without their difference and number."""
    return [
        line.rsplit("-", 2)[0] for line in (out / "crop_area_info.txt").read_text().splitlines()
    ]


def test_folders_and_text_file_hold_the_same_sets(source, tmp_path):
    select_patches(source, tmp_path / "out", RULE)
    stems = listed(tmp_path / "out")
    assert {stem[0] for stem in stems} == set("abc")
    assert names(tmp_path / "out/original") == sorted(f"{stem}.png" for stem in stems)
    assert names(tmp_path / "out/02") == sorted(f"{stem}_02.png" for stem in stems)
    _, y, x = stems[0].split("-")
    y, x = int(y), int(x)
    for version, file in (("original", "a"), ("01", "a_01"), ("02", "a_02")):
        whole = read_image(source / version / f"{file}.png")
        patch = read_image(tmp_path / f"out/{version}" / f"{stems[0]}{file[1:]}.png")
        np.testing.assert_array_equal(patch, whole[y : y + 32, x : x + 32])


@pytest.mark.parametrize("min_dist", [None, MinDist(0.3, True)])
def test_the_number_of_workers_does_not_matter(source, tmp_path, min_dist):
    for workers in (1, 5):
        out = tmp_path / str(workers)
        select_patches(source, out, RULE, seed=4, min_dist=min_dist, workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "5")


@pytest.mark.parametrize("versions", [("only",), ("01", "02", "03", "04", "05", "é f")])
def test_any_number_of_versions_will_do(tmp_path, versions):
    make_sets(tmp_path / "in", ["a.png"], versions)
    select_patches(tmp_path / "in", tmp_path / "out", RULE)
    stems = listed(tmp_path / "out")
    assert stems
    for version in versions:
        found = names(tmp_path / "out" / version)
        assert found == sorted(f"{stem}_{version}.png" for stem in stems)


def test_blanks_dashes_and_other_letters_in_names_are_kept(tmp_path):
    make_sets(tmp_path / "in", ["-a.png", "b-1 2.webp", "東京.x.png"], ["my-net 1"])
    select_patches(tmp_path / "in", tmp_path / "out", RULE)
    assert {stem.rsplit("-", 2)[0] for stem in listed(tmp_path / "out")} == {
        "-a", "b-1 2", "東京.x"
    }  # fmt: skip
    first = next(stem for stem in listed(tmp_path / "out") if stem.startswith("東京"))
    assert (tmp_path / f"out/my-net 1/{first}_my-net 1.png").exists()


def test_names_that_are_not_utf_8_are_kept_byte_by_byte(tmp_path):
    name = os.fsdecode(b"a\xe9.png")
    make_sets(tmp_path / "in", [name], ["01"])
    select_patches(tmp_path / "in", tmp_path / "out", RULE)
    lines = (tmp_path / "out/crop_area_info.txt").read_bytes().splitlines()
    assert all(line.startswith(b"a\xe9-") for line in lines)
    patches = os.listdir(os.fsencode(tmp_path / "out/01"))
    assert len(patches) == len(lines)
    assert all(patch.startswith(b"a\xe9-") for patch in patches)


def test_stored_depth_alpha_and_palettes_give_the_same_patches(source, tmp_path):
    select_patches(source, tmp_path / "plain", RULE)
    image = read_image(source / "original/a.png")
    write_image(source / "original/a.png", image.astype(np.uint16) * 256 + 7)
    image = read_image(source / "01/b_01.png")
    write_image(source / "01/b_01.png", np.dstack([image, image[..., 0]]))
    select_patches(source, tmp_path / "out", RULE)
    plain, out = tree(tmp_path / "plain"), tree(tmp_path / "out")
    assert {k: v for k, v in out.items() if v != plain[k]}.keys() <= {"contact.html"}


def test_a_second_run_makes_nothing(source, tmp_path):
    select_patches(source, tmp_path / "out", RULE)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    select_patches(source, tmp_path / "out", RULE, workers=3)
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {".smoothkit.jsonl"}


def test_a_version_that_changed_has_its_patches_made_anew(source, tmp_path, caplog):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    others = {k: v for k, v in tree(out).items() if "/a" in k or "/c" in k}
    flat = picture(9)
    flat[:40] = 90
    for path in ("original/b.png", "01/b_01.png", "02/b_02.png"):
        write_image(source / path, sharper(flat, 0.1))
    with caplog.at_level(logging.INFO):
        select_patches(source, out, RULE)
    assert "1 result is made anew; what changed: original b.png" in caplog.text
    assert "removed files of patches that are not chosen any more" in caplog.text
    select_patches(source, tmp_path / "fresh", RULE)
    assert tree(out) == tree(tmp_path / "fresh")
    assert any("/b-" in name for name in tree(out))
    assert {k: v for k, v in tree(out).items() if k in others} == others


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize(
    ("changes", "seed", "told"),
    [
        ({}, 1, "settings (seed 0, now 1"),
        ({"crop_size": 30}, 0, "settings (crop_size 32, now 30"),
        ({"distance": "absolute"}, 0, "settings (distance signed, now absolute"),
    ],
)
def test_another_seed_or_rule_is_told_and_nothing_of_the_former_stays(
    source, tmp_path, caplog, changes, seed, told, is_whole
):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    if not is_whole:  # as an interrupted run leaves it
        for name in ("crop_area_info.txt", "contact.html", ".cells/c.json"):
            (out / name).unlink()
    rule = Rule(**{"crop_size": 32, "step_size": 24, **changes})
    with caplog.at_level(logging.INFO):
        select_patches(source, out, rule, seed=seed)
    assert f"out: 1 result is made anew; what changed: {told}" in caplog.text
    select_patches(source, tmp_path / "fresh", rule, seed=seed)
    assert tree(out) == tree(tmp_path / "fresh")


def test_another_list_of_images_moves_the_draws_of_those_that_follow(source, tmp_path, caplog):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    make_sets(source, ["aa.png"])
    with caplog.at_level(logging.INFO):
        select_patches(source, out, RULE)
    assert re.search(r"what changed: settings \(drawn \d+, now \d+\)", caplog.text)
    select_patches(source, tmp_path / "fresh", RULE)
    assert tree(out) == tree(tmp_path / "fresh")


def test_nothing_stays_of_images_and_versions_that_are_gone(source, tmp_path):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    for path in ("original/b.png", "01/b_01.png", "02/b_02.png"):
        (source / path).unlink()
    shutil.rmtree(source / "01")
    select_patches(source, out, RULE)
    select_patches(source, tmp_path / "fresh", RULE)
    assert tree(out) == tree(tmp_path / "fresh")
    assert not (out / "01").exists()


def test_patches_of_other_images_only_are_removed_on_demand_only(source, tmp_path):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    before = tree(out)
    other = make_sets(tmp_path / "other", ["x.png"])
    with pytest.raises(DataError, match=r"out: has patches of other images, such as [abc]\. Give"):
        select_patches(other, out, RULE)
    assert tree(out) == before
    select_patches(other, out, RULE, overwrite=True)
    select_patches(other, tmp_path / "fresh", RULE)
    assert tree(out) == tree(tmp_path / "fresh")


def test_files_that_no_note_tells_of_are_refused_before_anything_is_made(source, tmp_path):
    out = tmp_path / "out"
    write_image(out / "original/mine.png", picture(0))
    match = r"original/mine\.png: is there already, and no note tells .* or --overwrite to"
    with pytest.raises(DataError, match=match):
        select_patches(source, out, RULE)
    assert list(tree(out)) == ["original/mine.png"]


def test_patches_retouched_by_hand_are_replaced_on_demand_only(source, tmp_path, caplog):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    whole = tree(out)
    patch = sorted((out / "01").iterdir())[0]
    write_image(patch, picture(0, 32, 32))
    write_image(out / "02/mine.png", picture(0, 32, 32))
    retouched = tree(out)
    with pytest.raises(DataError, match=r"is there already, and no note tells .* 2 files here"):
        select_patches(source, out, RULE)
    assert tree(out) == retouched
    with caplog.at_level(logging.WARNING):
        select_patches(source, out, RULE, overwrite=True)
    assert "out: left images that are none of the patches: 1." in caplog.text
    (out / "02/mine.png").unlink()
    assert tree(out) == whole


def test_overwriting_makes_all_anew(source, tmp_path):
    out = tmp_path / "out"
    quarter = MinDist(0.25, True)
    select_patches(source, out, RULE, min_dist=quarter)
    whole, inodes = tree(out), {path: path.stat().st_ino for path in out.rglob("*.png")}
    select_patches(source, out, RULE, min_dist=quarter, overwrite=True)
    assert tree(out) == whole
    assert all(path.stat().st_ino != inode for path, inode in inodes.items())


@pytest.mark.parametrize("name", ["crop_area_info.txt", "contact.html"])
def test_files_edited_by_hand_are_refused_before_anything_is_made(source, tmp_path, name):
    out = tmp_path / "out"
    select_patches(source, out, RULE)
    (out / name).write_text("mine")
    lost = sorted((out / "01").iterdir())[0]
    lost.unlink()
    with pytest.raises(DataError, match=f"{name}: is there already, and no note tells"):
        select_patches(source, out, RULE)
    assert (out / name).read_text() == "mine"
    assert not lost.exists()


def test_a_folder_that_cannot_be_written_ends_the_run_at_once(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/02").write_text("a file")
    with pytest.raises(DataError, match=r"out/02/a-.*_02\.png: cannot be written"):
        select_patches(source, tmp_path / "out", RULE)
    assert not (tmp_path / "out/crop_area_info.txt").exists()


def test_images_that_cannot_be_decoded_are_named_when_the_rest_is_done(
    run_script, source, tmp_path, capsys
):
    content = encode_image(picture(1))
    (source / "original/b.png").write_bytes(content[: len(content) // 2])
    assert run_script(SCRIPT, FLAGS) == 2
    assert re.search(r"original/b\.png: cannot be decoded", capsys.readouterr().err)
    assert {name[0] for name in names(tmp_path / "out/original")} == {"a", "c"}
    assert not (tmp_path / "out/crop_area_info.txt").exists()
    (source / "original/b.png").write_bytes(content)
    assert run_script(SCRIPT, FLAGS) == 0
    select_patches(source, tmp_path / "fresh", RULE)
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


def test_small_images_are_listed_and_counted(run_script, source, tmp_path, capsys):
    for path in ("original/b.png", "01/b_01.png", "02/b_02.png"):
        write_image(source / path, picture(1, 31, 200))
    assert run_script(SCRIPT, FLAGS) == 2
    assert capsys.readouterr().err.splitlines() == [
        "1 of 3 images are smaller than --crop_size 32. Move them away, or give --skip_small.",
        "in/original/b.png: is smaller, 31x200.",
    ]
    assert not (tmp_path / "out").exists()
    assert run_script(SCRIPT, f"{FLAGS} --skip_small") == 0
    assert "1 of 3 images are smaller than --crop_size 32 and skipped" in capsys.readouterr().err
    stems = listed(tmp_path / "out")
    assert {stem[0] for stem in stems} == {"a", "c"}
    # It takes its random numbers all the same.
    rng = random.Random(0)
    draw_corners(rng, 90, 110, 24)
    draw_corners(rng, 31, 200, 24)
    places = {f"c-{top}-{left}" for top, left in draw_corners(rng, 90, 110, 24)}
    assert {stem for stem in stems if stem.startswith("c")} <= places


def test_names_that_patches_make_too_long_are_refused_before_anything_is_made(tmp_path):
    make_sets(tmp_path / "in", [f"{'n' * 244}.png"])
    with pytest.raises(DataError, match="the name must have at most 255 bytes, got 2"):
        select_patches(tmp_path / "in", tmp_path / "out", Rule(32, 24))
    assert not (tmp_path / "out").exists()


def test_only_small_images_are_refused_in_any_case(source, tmp_path):
    with pytest.raises(DataError, match="3 of 3 images are smaller than --crop_size 200"):
        select_patches(source, tmp_path / "out", Rule(crop_size=200), skip_small=True)


def test_a_place_that_is_drawn_twice_is_kept_once_with_a_warning(source, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        select_patches(source, tmp_path / "out", Rule(crop_size=32, step_size=4))
    found = re.search(r"(\d+) patches were drawn twice, which a small --step_size", caplog.text)
    assert found
    assert int(found[1]) > 0
    stems = listed(tmp_path / "out")
    assert len(stems) == len(set(stems)) == len(names(tmp_path / "out/original"))


def test_min_dist_leaves_out_what_hardly_differs_and_can_be_changed(source, tmp_path):
    out = tmp_path / "out"
    everything = select_patches(source, out, RULE)
    middle = sorted(everything.distances)[len(everything.distances) // 2]
    first = tree(out)
    some = select_patches(source, out, RULE, min_dist=MinDist(middle))
    expected = [d for d in everything.distances if d >= middle]
    assert len(listed(out)) == len(expected) < len(everything.distances)
    assert some.distances == everything.distances
    select_patches(source, tmp_path / "fresh", RULE, min_dist=MinDist(middle))
    assert tree(out) == tree(tmp_path / "fresh")
    select_patches(source, out, RULE)
    assert tree(out) == first


def test_a_quantile_leaves_out_that_part_of_all(source, tmp_path):
    found = select_patches(source, tmp_path / "out", RULE, min_dist=MinDist(0.25, True))
    assert found.threshold == np.quantile(found.distances, 0.25)
    left_out = sum(dist < found.threshold for dist in found.distances)
    assert left_out == len(found.distances) - len(listed(tmp_path / "out"))
    assert left_out == math.ceil(0.25 * (len(found.distances) - 1))


def test_the_script_tells_what_min_dist_would_leave_out(run_script, source, tmp_path, capsys):
    assert run_script(SCRIPT, f"{FLAGS} --min_dist q0.2 --laplacian signed --seed 3") == 0
    printed = capsys.readouterr().out
    sets = len(listed(tmp_path / "out"))
    assert printed.startswith(f"out: {sets} sets of 3 images")
    rule = Rule(32, 24, laplacian="signed")
    distances = select_patches(
        source, tmp_path / "out", rule, seed=3, min_dist=MinDist(0.2, True)
    ).distances
    below = sum(dist < 1 for dist in distances)
    assert re.search(rf"^ +1  \(below   1\.0000\) +{below}$", printed, re.M)
    assert re.search(r"^  q0\.2  \(below ", printed, re.M)


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--min_dist q2", "--min_dist: must be a difference such as 1.5, or a quantile such"),
        ("--crop_size 1", "--crop_size: must be a number of 2 or more"),
        ("--laplacian both", "invalid choice"),
    ],
)
def test_other_arguments_are_refused(run_script, source, capsys, flag, told):
    assert run_script(SCRIPT, f"{FLAGS} {flag}") == 2
    assert told in capsys.readouterr().err


def test_missing_versions_end_the_script_with_2_before_anything_is_made(
    run_script, source, tmp_path, capsys
):
    (source / "01/b_01.png").unlink()
    assert run_script(SCRIPT, FLAGS) == 2
    assert "in/01/b_01.png: missing, though in/original/b.png is there." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_shows_what_was_kept_and_what_was_left_out(source, tmp_path):
    found = select_patches(source, tmp_path / "out", RULE, min_dist=MinDist(0.3, True))
    page = (tmp_path / "out/contact.html").read_text()
    kept, tried = len(listed(tmp_path / "out")), sum(1 for _ in found.tried())
    below = len(found.distances) - kept
    for what, number in (
        ("kept", kept),
        ("left out by --min_dist", below),
        ("left out by the thresholds", tried - kept - below),
    ):
        assert number > 0
        assert f'<td>{what}</td><td class="number">{number}</td>' in page
    captions = re.findall(r"<figcaption>(\S+): difference", page)
    assert set(captions) >= set(listed(tmp_path / "out"))  # all of so few
    assert len(captions) == len(set(captions)) > kept
    job, cell = next((j, c) for j, c in found.tried() if not c.is_kept)
    stds = " ".join(f"{std:.0f}" for std in cell.std.values())
    assert f"{job.stem}-{cell.top}-{cell.left}: difference" in page
    assert f"standard deviation {stds};" in page
