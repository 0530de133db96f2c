"""Files of lines that several processes add to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from smoothkit.core.errors import DataError
from smoothkit.core.line_files import LineFile

WRITER = """
import sys
from pathlib import Path
from smoothkit.core.line_files import LineFile
path, name = Path(sys.argv[1]), sys.argv[2]
for turn in range(60):
    file = LineFile(path)
    for part in range(2):
        file.add(f"{name} {turn} {part}\\n".encode())
    file.close(list)
"""


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "sub/lines"
    for text in (b"one\n", b"two\nthr", b"four\n"):
        file = LineFile(path)
        file.add(text)
        file.close()
    assert path.read_bytes() == b"one\ntwo\nthr\nfour\n"


def test_lines_are_left_out_where_nobody_else_adds_any(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    one, other = LineFile(path), LineFile(path)
    one.add(b"a\nb\n")
    other.add(b"c\n")
    one.close(lambda lines: lines[1:])
    assert path.read_bytes() == b"a\nb\nc\n"
    other.close(lambda lines: lines[1:])
    assert path.read_bytes() == b"b\nc\n"


def test_a_file_that_gets_no_line_is_not_made(tmp_path: Path) -> None:
    LineFile(tmp_path / "lines").close(list)
    assert not list(tmp_path.iterdir())


def test_no_line_is_lost_while_processes_add_and_rewrite(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name]) for name in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    expected = {f"{n} {turn} {part}" for n in "abc" for turn in range(60) for part in range(2)}
    lines = path.read_text().splitlines()
    assert len(lines) == len(expected)
    assert set(lines) == expected


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/lines: cannot be written"):
        LineFile(tmp_path / "file/lines").add(b"a\n")
