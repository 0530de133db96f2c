"""Files of lines that several processes add to."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoothkit.core.errors import DataError
from smoothkit.core.line_files import LineFile


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "sub/lines"
    for text in (b"one\n", b"two\nthr", b"four\n"):
        file = LineFile(path)
        file.add(text)
        file.close()
    assert path.read_bytes() == b"one\ntwo\nthr\nfour\n"


def test_a_file_that_gets_no_line_is_not_made(tmp_path: Path) -> None:
    LineFile(tmp_path / "lines").close()
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/lines: cannot be written"):
        LineFile(tmp_path / "file/lines").add(b"a\n")
