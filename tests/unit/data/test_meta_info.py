"""Lists of the images of folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import write_image

SCRIPT = "data_preparation/generate_meta_info.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(("HR/b.png", "HR/a b.png", "HR/a.jpg", "sub/c.png", "sub/in/d")):
        path = tmp_path / "set" / name
        write_image(path.with_suffix(path.suffix or ".png"), np.full((8, 8), number, np.uint8))
    (tmp_path / "set/HR/notes.txt").write_text("no image")
    return tmp_path


def test_paths_are_relative_to_the_root_of_their_folder(root: Path, run_script, capsys) -> None:
    assert run_script(SCRIPT, "--input set/sub set/HR --root set set/HR --meta_info list.txt") == 0
    assert (root / "list.txt").read_text() == "sub/c.png\na b.png\na.jpg\nb.png\n"
    assert capsys.readouterr().out == "list.txt: 4 images\n"


def test_a_folder_for_the_list_is_made(root: Path, run_script) -> None:
    arguments = f"--input {root}/set/HR --root {root}/set --meta_info deep/er/list.txt"
    assert run_script(SCRIPT, arguments) == 0
    assert (root / "deep/er/list.txt").read_text() == "HR/a b.png\nHR/a.jpg\nHR/b.png\n"
    assert sorted(os.listdir(root / "deep/er")) == [NOTE, "list.txt"]


def test_unreadable_images_are_left_out_and_named(root: Path, run_script, capsys) -> None:
    (root / "set/HR/b.png").write_bytes(b"")
    content = (root / "set/HR/a.jpg").read_bytes()
    (root / "set/HR/a.jpg").write_bytes(content[:30])
    Image.new("CMYK", (8, 8)).save(root / "set/HR/cmyk.jpg")  # which can be read
    arguments = "--input set/HR --root set/HR --meta_info list.txt"
    assert run_script(SCRIPT, arguments) == 0
    assert (root / "list.txt").read_text() == "a b.png\na.jpg\nb.png\ncmyk.jpg\n"
    capsys.readouterr()
    assert run_script(SCRIPT, f"{arguments} --check --workers 2") == 0
    assert (root / "list.txt").read_text() == "a b.png\ncmyk.jpg\n"
    printed = capsys.readouterr()
    assert printed.out == "list.txt: 2 images, 2 left out\n"
    told = [line for line in printed.err.splitlines() if line.startswith("left out: ")]
    assert told[0].startswith("left out: set/HR/a.jpg: ")
    assert told[1] == "left out: set/HR/b.png: the file is empty."
    assert "1 result is made anew; what changed: images 4 names, now 2 names." in printed.err


def test_a_list_that_is_up_to_date_is_left(root: Path, run_script, capsys) -> None:
    arguments = "--input set/HR --root set --meta_info list.txt"
    run_script(SCRIPT, arguments)
    before = (root / "list.txt").stat().st_mtime_ns
    capsys.readouterr()
    assert run_script(SCRIPT, arguments) == 0
    assert capsys.readouterr().out == "list.txt: 3 images, up to date\n"
    assert (root / "list.txt").stat().st_mtime_ns == before


def test_a_list_of_the_users_own_is_not_replaced(root: Path, run_script, capsys) -> None:
    (root / "list.txt").write_text("mine\n")
    arguments = "--input set/HR --root set --meta_info list.txt"
    assert run_script(SCRIPT, arguments) == 2
    assert "list.txt: is there already, and no note tells" in capsys.readouterr().err
    assert (root / "list.txt").read_text() == "mine\n"
    assert run_script(SCRIPT, f"{arguments} --overwrite") == 0
    assert (root / "list.txt").read_text() == "HR/a b.png\nHR/a.jpg\nHR/b.png\n"


def test_names_that_are_not_utf_8_are_written_as_they_are(root: Path, run_script) -> None:
    write_image(root / "odd" / os.fsdecode(b"caf\xe9.png"), np.zeros((8, 8), np.uint8))
    run_script(SCRIPT, "--input odd --root . --meta_info list.txt")
    assert (root / "list.txt").read_bytes() == b"odd/caf\xe9.png\n"


def test_names_that_a_line_cannot_hold_are_refused(root: Path, run_script, capsys) -> None:
    for folder, name in (("odd", " a.png"), ("odder", "a\nb.png")):
        write_image(root / folder / name, np.zeros((8, 8), np.uint8))
        assert run_script(SCRIPT, f"--input {folder} --root {folder} --meta_info list.txt") == 2
        assert f"{folder}/{name}".replace("\n", "\\n") in capsys.readouterr().err
    assert not (root / "list.txt").exists()
    assert run_script(SCRIPT, "--input odd --root . --meta_info list.txt") == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--input set/HR set/sub --root set", "--root: 2 are needed, as of --input, got 1"),
        ("--input set/HR set/sub/.. --root set .", "set/sub/..: has no images"),
        ("--input nowhere --root .", "nowhere: cannot be read"),
        ("--input set/HR set/HR --root set set", "HR/a b.png: is called 'HR/a b.png', as set/HR"),
        ("--input bad --root . --check", "bad: no image can be read, so list.txt is not written"),
    ],
)
def test_what_cannot_be_listed_is_refused(root, run_script, capsys, arguments, told) -> None:
    (root / "bad").mkdir()
    (root / "bad/a.png").write_bytes(b"junk")
    assert run_script(SCRIPT, f"{arguments} --meta_info list.txt") == 2
    assert told in capsys.readouterr().err
    assert not (root / "list.txt").exists()
