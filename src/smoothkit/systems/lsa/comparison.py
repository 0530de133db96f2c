"""Several methods' mattes of one test set: a table and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_json
from smoothkit.data.store import open_store
from smoothkit.engine.picture_table import picture_table
from smoothkit.ops.io import read_image, to_float, write_image
from smoothkit.systems.lsa.classical import estimate_folder
from smoothkit.systems.lsa.evaluation import Stores, evaluate_mattes
from smoothkit.systems.lsa.mattes import plane_of
from smoothkit.systems.lsa.triples import Folders, Triples, find_folders

METRICS = ("sad", "mse", "grad", "conn")
_CELL = 256


@dataclass(frozen=True)
class TestSet:
    """Images with trimaps and alphas."""

    folders: Folders
    triples: Triples

    @property
    def names(self) -> list[str]:
        """Of the image files."""
        return self.triples.names

    def estimate(self, method: str, out_dir: Path, *, overwrite: bool = False) -> Iterator[Path]:
        """See ``classical.estimate_folder``."""
        return estimate_folder(self.triples, method, out_dir, overwrite=overwrite)


@dataclass(frozen=True)
class Comparison:
    """Means over a test set.

    Args:
        scores: by method: each metric's mean, MSE as it is.
        num_images: over which.
        trimaps: hash of the trimaps.
    """

    scores: dict[str, dict[str, float]]
    num_images: int
    trimaps: str


def read_test_set(root: str) -> TestSet:
    """The images in ``merged``, ``trimaps`` and ``alpha_copy`` of a folder.

    Raises:
        DataError: a folder or a partner is missing, or there are no alphas.
    """
    folders = find_folders(root, "composition", [1], images=None, trimaps=None, alphas=None)
    if folders.alphas is None:
        raise DataError(f"{root}: has no alpha_copy, so there is nothing to compare with.")
    return TestSet(folders, Triples(folders, levels="refuse", alpha="drop"))


def compare(test_set: TestSet, folders: Mapping[str, Path]) -> Comparison:
    """Measure the mattes in each method's folder.

    Raises:
        DataError: a matte is missing or cannot be measured.
    """
    scores, trimaps = {}, ""
    truths = test_set.folders
    assert truths.alphas is not None
    for name, folder in folders.items():
        stores = Stores(
            open_store(str(folder), option=f"--results {name}"),
            open_store(truths.alphas, option="--data_dir"),
            open_store(truths.trimaps[0], option="--data_dir"),
        )
        sections = {metric: {"type": f"matting_{metric}"} for metric in METRICS}
        table, faults = evaluate_mattes(stores, sections, name)
        if faults:
            raise DataError(faults[0])
        scores[name] = {metric: values["mean"] for metric, values in table.summary().items()}
        trimaps = table.facts["trimaps"]
    return Comparison(scores, len(test_set.names), trimaps)


def report(comparison: Comparison) -> str:
    """A table of the scores, MSE times a thousand."""
    lines = [f"{'method':<14}{'SAD':>8}{'MSE':>8}{'Grad':>8}{'Conn':>8}"]
    for name, score in comparison.scores.items():
        shown = {**score, "mse": 1000 * score["mse"]}
        lines.append(f"{name:<14}" + "".join(f"{shown[metric]:8.2f}" for metric in METRICS))
    about = f"means over {comparison.num_images} images, trimaps {comparison.trimaps}"
    return "\n".join([*lines, about])


def write_comparison(
    comparison: Comparison,
    test_set: TestSet,
    folders: Mapping[str, Path],
    out_dir: str | Path,
    num_shown: int,
) -> None:
    """Write ``comparison.json`` and ``comparison.png``, a row for each of some images."""
    out_dir = Path(out_dir)
    content = {
        "num_images": comparison.num_images,
        "trimaps": comparison.trimaps,
        "scores": comparison.scores,
    }
    write_json(out_dir / "comparison.json", content)
    names = test_set.names
    places = np.linspace(0, len(names) - 1, min(num_shown, len(names))).round().astype(int)
    rows = [_row(test_set, names[i], folders) for i in places]
    write_image(out_dir / "comparison.png", picture_table(rows, _CELL))


def _row(test_set: TestSet, name: str, folders: Mapping[str, Path]) -> dict[str, np.ndarray]:
    triple = test_set.triples.read(name)
    assert triple.alpha is not None
    mattes = {}
    for method, folder in folders.items():
        path = folder / f"{Path(name).stem}.png"
        mattes[method] = plane_of(read_image(path, mode="whole"), str(path))
    images = {"image": triple.image, **mattes, "truth": triple.alpha}
    return {
        label: _fitted(to_float(i if i.ndim == 3 else np.dstack([i] * 3)))
        for label, i in images.items()
    }


def _fitted(image: np.ndarray) -> np.ndarray:
    """Small enough for a cell: what matters of a matte may be anywhere in it."""
    scale = _CELL / max(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
