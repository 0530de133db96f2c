"""The one-line summaries that the smoothing papers' evaluation appends to a text file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.core.files import text_bytes
from smoothkit.ops.io import read_bytes

_NUMBER = r"(?:tensor\()?([-+\w.]+)\)?"
_LINE = re.compile(rf"(.*?) {{3}}psnr:{_NUMBER} {{4}}ssim:{_NUMBER}\s*")


@dataclass(frozen=True)
class ResultLine:
    """A title with its means; PSNR in dB."""

    title: str
    psnr: float
    ssim: float

    def text(self) -> str:
        """As a line of the file, numbers plain."""
        return f"{self.title}   psnr:{self.psnr:.4f}    ssim:{self.ssim:.4f}\n"


def append_result(path: str | Path, line: ResultLine) -> None:
    """Add a line at the end of the file, which is made where missing.

    Raises:
        DataError: it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            is_cut = file.tell() and path.read_bytes()[-1:] != b"\n"
            file.write(text_bytes(("\n" if is_cut else "") + line.text()))
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}.") from error


def read_results(path: str | Path) -> list[ResultLine]:
    """All lines of the file; also those whose numbers stand as ``tensor(27.9095)``.

    Raises:
        DataError: it cannot be read, or a line is another one; names it.
    """
    lines = []
    text = read_bytes(path).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            lines.append(_parse(line))
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}: must be 'TITLE   psnr:X    ssim:Y', got {line!r}."
            ) from error
    return lines


def _parse(line: str) -> ResultLine:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(line)
    title, *numbers = match.groups()
    psnr, ssim = (math.inf if number == "inf" else float(number) for number in numbers)
    return ResultLine(title, psnr, ssim)
