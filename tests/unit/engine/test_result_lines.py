from __future__ import annotations

import math
from pathlib import Path

import pytest

from smoothkit.core.errors import DataError
from smoothkit.engine.result_lines import ResultLine, append_result, read_results


def test_lines_are_appended_and_read_beside_those_of_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "new/result.txt"
    append_result(path, ResultLine("JESS-Net, mine", 27.90949, 0.8528))
    with path.open("a") as file:
        file.write("T   psnr:tensor(27.9095)    ssim:tensor(0.8528)\n\n")
        file.write("same   psnr:inf    ssim:1.0000\n")
    assert read_results(path) == [
        ResultLine("JESS-Net, mine", 27.9095, 0.8528),
        ResultLine("T", 27.9095, 0.8528),
        ResultLine("same", math.inf, 1.0),
    ]


def test_a_line_is_not_glued_to_one_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("T   psnr:1.0    ssim:tensor(0.5)")
    append_result(path, ResultLine("mine", 2.0, 0.6))
    assert [line.title for line in read_results(path)] == ["T", "mine"]


@pytest.mark.parametrize("line", ["psnr 27", "T   psnr:x    ssim:0.5"])
def test_another_line_is_an_error_that_names_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "result.txt"
    path.write_text(f"T   psnr:1.0    ssim:0.5\n{line}\n")
    with pytest.raises(DataError, match=r"result.txt, line 2: must be 'TITLE   psnr:X"):
        read_results(path)
