"""All candidates of a photograph on one sheet, with what they scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from smoothkit.core.files import write_text
from smoothkit.core.html import figure, grid, page
from smoothkit.ops.io import encode_image, write_image
from smoothkit.ops.screening import Screening

_CELL = 280
_BAND = 44
_COLUMNS = 4


def write_sheet(
    path: Path,
    photo: np.ndarray,
    images: Mapping[str, np.ndarray],
    screenings: Mapping[str, Screening],
    best: str,
) -> None:
    """Write ``<path>.png`` and ``<path>.html``, best candidate first.

    Args:
        path: without suffix.
        photo: (H, W, 3) BGR, 8 or 16 bits.
        images, screenings: by the candidate's name.
        best: the one that was chosen.
    """
    order = sorted(images, key=lambda name: -screenings[name].score)
    captions = {name: _caption(name, screenings[name], best) for name in order}
    cells = [(_small(photo), "photograph", "", False)]
    for name in order:
        title, _, numbers = captions[name].partition(": ")
        cells.append((_small(images[name]), title, numbers, name == best))
    write_image(path.with_name(f"{path.name}.png"), _sheet(cells))
    figures = [figure(_jpeg(photo), "photograph", kind="jpeg")]
    figures += [figure(_jpeg(images[name]), captions[name], kind="jpeg") for name in order]
    write_text(path.with_name(f"{path.name}.html"), page(path.name, grid(figures)))


def _caption(name: str, screening: Screening, best: str) -> str:
    mark = "CHOSEN " if name == best else ""
    return (
        f"{mark}{name}: score {screening.score:.3f} "
        f"(edges kept {screening.edges:.2f}, texture gone {screening.texture:.2f})"
    )


def _small(image: np.ndarray) -> np.ndarray:
    """8 bits, at most a cell wide and high."""
    levels = image if image.dtype == np.uint8 else (image // 257).astype(np.uint8)
    scale = _CELL / max(levels.shape[:2])
    if scale >= 1:
        return levels
    height, width = (max(1, round(side * scale)) for side in levels.shape[:2])
    return cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA)


def _jpeg(image: np.ndarray) -> bytes:
    return encode_image(_small(image), ".jpg", params=(cv2.IMWRITE_JPEG_QUALITY, 90))


def _sheet(cells: list[tuple[np.ndarray, str, str, bool]]) -> np.ndarray:
    rows = -(-len(cells) // _COLUMNS)
    height = max(image.shape[0] for image, *_ in cells) + _BAND
    sheet = np.full((rows * height, _COLUMNS * _CELL, 3), 255, np.uint8)
    for number, (image, title, numbers, is_best) in enumerate(cells):
        top, left = number // _COLUMNS * height, number % _COLUMNS * _CELL
        color = (0, 110, 0) if is_best else (0, 0, 0)
        for line, text in enumerate((title, numbers)):
            _write(sheet, text, top + 16 + 18 * line, left + 4, color)
        sheet[top + _BAND : top + _BAND + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def _write(
    sheet: np.ndarray, text: str, row: int, column: int, color: tuple[int, int, int]
) -> None:
    if not text:
        return
    room = _CELL - 8
    scale = min(0.45, 0.45 * room / cv2.getTextSize(text, 0, 0.45, 1)[0][0])
    cv2.putText(sheet, text, (column, row), 0, scale, color, 1, cv2.LINE_AA)
