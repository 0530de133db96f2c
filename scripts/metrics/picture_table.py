"""Put the results of several methods beside each other: a row per picture, a column per method."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.cli.process import run_command
from smoothkit.data.store import image_files, results_of
from smoothkit.engine.picture_table import picture_table
from smoothkit.ops.io import read_image, to_float, write_image


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        action=Gather,
        required=True,
        type=_column,
        metavar="LABEL=FOLDER",
        help="results of <name>.png or <name>_<suffix>.png; names are those of the last folder",
    )
    parser.add_argument("--out", required=True, help="file of the sheet")
    parser.add_argument("--num_shown", type=whole_number(1), default=4, help="rows; default: 4")
    parser.add_argument("--cell", type=whole_number(1), default=256, help="pixels; default: 256")
    args = parser.parse_args()
    columns = dict(args.columns)
    names = [path.stem for path in image_files(args.columns[-1][1])]
    for folder in columns.values():  # all, since which rows are drawn changes with their number
        results_of(folder, names)
    places = np.linspace(0, len(names) - 1, min(args.num_shown, len(names))).round().astype(int)
    write_image(args.out, picture_table(read_rows(columns, [names[i] for i in places]), args.cell))
    print(args.out)
    return 0


def read_rows(
    columns: Mapping[str, str | Path], names: Sequence[str]
) -> list[dict[str, np.ndarray]]:
    """Rows of ``engine.picture_table`` from folders of results.

    Args:
        columns: folder of each column, by its label. Smaller images are enlarged without smoothing.
        names: of the rows; files may be called ``<name>_<suffix>.png``.

    Returns:
        (H, W, 3) float32 in [0, 1], BGR.

    Raises:
        DataError: an image is missing or cannot be read.
    """
    found = {label: results_of(folder, names) for label, folder in columns.items()}
    rows = []
    for name in names:
        row = {label: to_float(read_image(files[name])) for label, files in found.items()}
        height, width = (max(i.shape[side] for i in row.values()) for side in (0, 1))
        rows.append({label: _enlarged(image, height, width) for label, image in row.items()})
    return rows


def _enlarged(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)


def _column(text: str) -> tuple[str, str]:
    label, equals, folder = text.partition("=")
    if not (label and equals and folder):
        raise argparse.ArgumentTypeError(f"must be LABEL=FOLDER, got '{text}'")
    return label, folder


if __name__ == "__main__":
    sys.exit(run_command(main))
