"""Files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os

import pytest

from smoothkit.core.errors import DataError
from smoothkit.core.files import (
    link_or_copy,
    remove_leftovers,
    write_atomically,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(file):
        file.write(b"half of the")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"a\.txt: cannot be written: the disk is full"):
        write_atomically(path, full)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_writer_itself_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "a.txt", lambda file: 1 / 0)
    assert not list(tmp_path.iterdir())


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    (tmp_path / ".a.pth.123.partial").touch()
    (tmp_path / "a.pth").touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_json_holds_null_for_numbers_that_json_lacks(tmp_path):
    write_json(tmp_path / "a.json", {"x": [float("inf"), float("nan"), 1.5], "ü": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, None, 1.5], "ü": 1}


def test_files_of_living_writers_are_left(tmp_path):
    parent, dead = (tmp_path / f".a.{pid}.partial" for pid in (os.getppid(), 2**22 + 1))
    for path in (parent, dead):
        path.touch()
    remove_leftovers(tmp_path)
    assert (parent.exists(), dead.exists()) == (True, False)


def test_a_link_shares_its_file_and_takes_the_place_of_an_older_one(tmp_path):
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert os.path.samefile(tmp_path / "a", tmp_path / "b")
    with pytest.raises(DataError, match="c: cannot be written: No such file"):
        link_or_copy(tmp_path / "none", tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
