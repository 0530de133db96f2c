"""Groups of sets for annotators: copies, links, running again."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path

import pytest

from smoothkit.core.errors import DataError
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import write_image
from smoothkit.systems.hggt_enhance.prepare.regroup import regroup
from support.enhanced import make_sets, picture, tree

SCRIPT = "data_preparation/regroup.py"
NAMES = ("a.png", "b 1.png", "-c.bmp", "d-1-2.png", "é.png")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_sets(tmp_path / "in", NAMES)


def images(out: Path) -> dict[str, Path]:
    """Every image by folder of its version and name."""
    return {f"{path.parent.name}/{path.name}": path for path in out.glob("*/images*/*/*")}


def test_every_set_is_in_one_group_byte_by_byte_with_its_name_in_the_list(source, tmp_path):
    groups = regroup(source, tmp_path / "out", num_imgs=2)
    assert [len(group.sets) for group in groups] == [2, 2, 1]
    found = images(tmp_path / "out")
    assert {name: path.read_bytes() for name, path in found.items()} == tree(source)
    last = tmp_path / "out/03_subdir"
    assert sorted(path.name for path in last.iterdir()) == [
        "images4-6", "img_info_4-6.txt", "labels4-6"
    ]  # fmt: skip
    assert list((last / "labels4-6").rglob("*")) == [last / "labels4-6/tagging"]
    for folder in (tmp_path / "out").glob("*_subdir"):
        (info,) = folder.glob("img_info_*.txt")
        listed = info.read_text().splitlines()
        assert listed == sorted(path.name for path in folder.glob("images*/original/*"))


def test_the_seed_and_the_number_of_shuffles_decide_the_groups(source, tmp_path):
    def first(**options: int) -> list[str]:
        out = tmp_path / "-".join(map(str, options.values()))
        groups = regroup(source, out, num_imgs=2, **options)
        return [one.stem for group in groups for one in group.sets]

    unshuffled = first(shuffle_nums=0, seed=9)
    assert unshuffled == ["-c", "a", "b 1", "d-1-2", "é"]
    orders = {tuple(first(shuffle_nums=3, seed=seed)) for seed in range(5)}
    assert len(orders) > 1
    assert first(shuffle_nums=1, seed=0) != first(shuffle_nums=2, seed=0)


def test_symbolic_links_survive_moving_the_tree(source, tmp_path):
    tree_of_both = tmp_path / "both"
    tree_of_both.mkdir()
    source.rename(tree_of_both / "in")
    regroup(tree_of_both / "in", tree_of_both / "deep/out", num_imgs=2, link="symbolic")
    tree_of_both.rename(tmp_path / "moved")
    found = images(tmp_path / "moved/deep/out")
    assert all(path.is_symlink() for path in found.values())
    content = {name: path.read_bytes() for name, path in found.items()}
    assert content == tree(tmp_path / "moved/in")


def test_hard_links_are_the_files_themselves(source, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        regroup(source, tmp_path / "out", num_imgs=2, link="hard")
    for name, path in images(tmp_path / "out").items():
        assert os.path.samefile(path, source / name)
    assert not caplog.records


def test_hard_links_become_copies_on_another_file_system_with_one_message(
    source, tmp_path, caplog, monkeypatch
):
    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    with caplog.at_level(logging.WARNING):
        regroup(source, tmp_path / "out", num_imgs=2, link="hard")
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/out: cannot hold hard links to {source}, as on another file system. "
        "Files are copied."
    ]
    content = {name: path.read_bytes() for name, path in images(tmp_path / "out").items()}
    assert content == tree(source)


@pytest.mark.parametrize("link", [None, "symbolic", "hard"])
def test_a_second_run_completes_and_replaces_nothing(source, tmp_path, link):
    out = tmp_path / "out"
    regroup(source, out, num_imgs=2, link=link)
    whole = tree(out)
    lost = [images(out)["01/a_01.png"], next(out.glob("*/img_info_*"))]
    for path in lost:
        path.unlink()
    label = next(out.glob("*/labels*/tagging")) / "mine.json"
    label.write_text("{}")
    before = {path: path.lstat().st_mtime_ns for path in images(out).values()}
    regroup(source, out, num_imgs=2, link=link)
    assert label.read_text() == "{}"
    label.unlink()
    assert tree(out) == whole
    assert {path: path.lstat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seed": 1}, "seed 0, now 1"),
        ({"num_imgs": 3}, "num_imgs 2, now 3"),
        ({"shuffle_nums": 1}, "shuffle_nums 3, now 1"),
        ({"link": "hard"}, "link none, now hard"),
    ],
)
def test_two_ways_to_group_never_mix(source, tmp_path, options, told):
    regroup(source, tmp_path / "out", num_imgs=2)
    shutil.rmtree(tmp_path / "out/03_subdir")  # as of a run that was cut short
    before = tree(tmp_path / "out")
    match = rf"img_info_0-2\.txt: is of groups that .* what changed: settings \({told}\)\. Give"
    with pytest.raises(DataError, match=match):
        regroup(source, tmp_path / "out", **{"num_imgs": 2, **options})
    assert tree(tmp_path / "out") == before


def test_other_sets_or_versions_never_mix(source, tmp_path):
    regroup(source, tmp_path / "out")
    make_sets(source, ["f.png"])
    with pytest.raises(DataError, match="made otherwise; what changed: sets of in"):
        regroup(source, tmp_path / "out")
    (source / "original/f.png").unlink()
    regroup(source, tmp_path / "out")
    shutil.rmtree(source / "02")
    with pytest.raises(DataError, match="made otherwise; what changed: sets of in"):
        regroup(source, tmp_path / "out")


def test_groups_without_their_note_are_refused(source, tmp_path):
    regroup(source, tmp_path / "out")
    (tmp_path / "out" / NOTE).unlink()
    with pytest.raises(DataError, match=r"img_info_0-1000\.txt: is there already, and no note"):
        regroup(source, tmp_path / "out")


def test_images_of_no_group_are_refused(source, tmp_path):
    regroup(source, tmp_path / "out", num_imgs=2)
    for path in (tmp_path / "out").glob("*/img_info_*"):
        path.unlink()
    with pytest.raises(DataError, match=r"out/.*: is in none of these groups\. Move it away"):
        regroup(source, tmp_path / "out", num_imgs=2, seed=1)


@pytest.mark.parametrize("link", [None, "hard"])
def test_a_file_with_other_content_is_refused_by_name(source, tmp_path, link):
    out = tmp_path / "out"
    regroup(source, out, link=link)
    (source / "01/a_01.png").unlink()
    write_image(source / "01/a_01.png", picture(7))
    old = images(out)["01/a_01.png"].read_bytes()
    match = r"01/a_01\.png: is there already, with other content than .*in/01/a_01\.png\. Move"
    with pytest.raises(DataError, match=match):
        regroup(source, out, link=link)
    assert images(out)["01/a_01.png"].read_bytes() == old


def test_a_copy_that_was_touched_is_still_the_same(source, tmp_path):
    regroup(source, tmp_path / "out")
    path = images(tmp_path / "out")["01/a_01.png"]
    os.utime(path, (0, 0))
    regroup(source, tmp_path / "out")
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DataError, match=r"a_01\.png: is there already, with other content"):
        regroup(source, tmp_path / "out")


def test_a_link_that_leads_elsewhere_is_refused(source, tmp_path):
    regroup(source, tmp_path / "out", link="symbolic")
    path = images(tmp_path / "out")["original/a.png"]
    path.unlink()
    path.symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"original/a\.png: is there already, with other content"):
        regroup(source, tmp_path / "out", link="symbolic")


def test_another_list_of_names_is_refused(source, tmp_path):
    regroup(source, tmp_path / "out")
    path = next((tmp_path / "out").glob("*/img_info_*"))
    path.write_text("mine\n")
    with pytest.raises(DataError, match=r"img_info_0-1000\.txt: is there already, and no"):
        regroup(source, tmp_path / "out")


def test_the_script_prints_its_groups_and_ends_with_2_for_missing_versions(
    run_script, source, tmp_path, capsys
):
    flags = "--img_path in --save_path out --num_imgs 3 --shuffle_nums 1 --link symbolic"
    assert run_script(SCRIPT, flags) == 0
    assert capsys.readouterr().out.splitlines() == [
        "out/01_subdir/images0-3: 3 sets",
        "out/02_subdir/images3-6: 2 sets",
    ]
    (source / "02/a_02.png").unlink()
    assert run_script(SCRIPT, flags) == 2
    told = "in/02/a_02.png: missing, though in/original/a.png is there.\n"
    assert capsys.readouterr().err == told


def test_groups_never_go_among_the_sources(source, tmp_path):
    with pytest.raises(DataError, match="where each folder is a version"):
        regroup(source, source / "groups")
