"""How classical filters, at their best settings, compare with networks on held-out pairs.

Each filter is tuned by PSNR on crops of training pairs, then applied to the test pairs as it is.
Images are (H, W, 3) float32 in [0, 1], BGR; results are rounded to bytes before they are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_json
from smoothkit.core.parallel import in_threads
from smoothkit.data.store import image_files, results_of
from smoothkit.engine.picture_table import centre, picture_table
from smoothkit.metrics.smoothing import psnr, ssim
from smoothkit.ops.filters import Candidate, apply_filter
from smoothkit.ops.io import read_image, to_float, to_uint8, write_image
from smoothkit.ops.means import mean_of_finite, num_left_out
from smoothkit.ops.tensor import to_tensor

INPUT, TRUTH = "textured input", "ground truth"

# Each setting with the values to try; what is not named keeps its default.
GRIDS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "bilateral": {"sigma_color": (0.2, 0.4, 0.8, 1.6), "sigma_space": (4, 8, 12)},
    "rolling_guidance": {"sigma_s": (2, 4, 6, 8), "sigma_r": (0.03, 0.06, 0.12)},
    "l0": {"lam": (0.02, 0.04, 0.08, 0.16, 0.32), "kappa": (1.5, 2)},
    "rtv": {"lam": (0.005, 0.01, 0.02), "sigma": (3, 5, 8)},
}

Smoother = Callable[["Pair"], np.ndarray]


@dataclass(frozen=True)
class Pair:
    """A ground truth and the textured image made from it."""

    name: str
    gt: np.ndarray
    observation: np.ndarray

    def centre(self, size: int) -> Pair:
        """The middle of both images, at most ``size`` pixels on a side."""
        return Pair(self.name, centre(self.gt, size), centre(self.observation, size))


@dataclass(frozen=True)
class Score:
    """Means over the test pairs; PSNR in dB.

    Args:
        left_out: pairs whose result equals the ground truth: their PSNR is infinite, and in no
            mean.
    """

    psnr: float
    ssim: float
    left_out: int = 0

    @classmethod
    def of(cls, values: Sequence[tuple[float, float]]) -> Score:
        """Of the PSNR and SSIM of each pair."""
        psnrs, ssims = zip(*values, strict=True)
        return cls(mean_of_finite(psnrs), mean_of_finite(ssims), num_left_out(psnrs))


@dataclass(frozen=True)
class Comparison:
    """Outcome of ``compare``.

    Args:
        settings: tuned settings of each filter.
        scores: by method, the untouched input first.
        num_test: test pairs measured.
        pictures: for each pair shown, the images by method, input first and ground truth last.
    """

    settings: dict[str, dict[str, float]]
    scores: dict[str, Score]
    num_test: int
    pictures: list[dict[str, np.ndarray]]


def compare(
    train_dir: str | Path,
    test_dir: str | Path,
    *,
    networks: Mapping[str, str | Path] | None = None,
    fixed: Mapping[str, Candidate] | None = None,
    grids: Mapping[str, Mapping[str, Sequence[float]]] = GRIDS,
    num_tuning: int = 4,
    crop: int = 160,
    num_test: int | None = None,
    num_shown: int = 4,
    seed: int = 0,
) -> Comparison:
    """Tune on training pairs, measure on test pairs.

    Args:
        train_dir, test_dir: pair images, ground truth left and observation right.
        networks: by name, the folder of a network's results on the test pairs, named like them; a
            suffix after an underscore is allowed.
        fixed: by name, filters with settings that are not tuned, such as too weak or strong ones.
        grids: values to try, by filter and setting.
        num_tuning, crop: training pairs drawn, and the longest side in pixels of their crops.
        num_test: test pairs drawn; None takes all.
        num_shown: test pairs whose images are kept, evenly spread.
        seed: of the draws.

    Raises:
        DataError: a pair or a result cannot be used, or is missing.
    """
    tuning = [
        read_pair(path).centre(crop) for path in _draw(image_files(train_dir), num_tuning, seed)
    ]
    paths = _draw(image_files(test_dir), num_test, seed)
    # Looked up first: a missing result should not come out after minutes of filtering.
    names = [path.stem for path in paths]
    results = {name: results_of(folder, names) for name, folder in (networks or {}).items()}
    settings = {name: tune(name, grid, tuning) for name, grid in grids.items()}
    methods: dict[str, Smoother] = {INPUT: lambda pair: pair.observation}
    for name, candidate in (fixed or {}).items():
        methods[name] = _filtered(candidate.method, candidate.settings)
    methods |= {name: _filtered(name, chosen) for name, chosen in settings.items()}
    methods |= {name: _found(files) for name, files in results.items()}
    settings |= {name: dict(candidate.settings) for name, candidate in (fixed or {}).items()}
    shown = {paths[int(i)] for i in np.linspace(0, len(paths) - 1, num_shown).round()}

    def assess(path: Path) -> tuple[list[tuple[float, float]], dict[str, np.ndarray]]:
        pair = read_pair(path)
        images = {name: method(pair) for name, method in methods.items()}
        values = [measure(image, pair) for image in images.values()]
        return values, {**images, TRUTH: pair.gt} if path in shown else {}

    outcomes = list(in_threads(assess, paths))
    by_method = zip(*(values for values, _ in outcomes), strict=True)
    scores = {name: Score.of(values) for name, values in zip(methods, by_method, strict=True)}
    pictures = [images for _, images in outcomes if images]
    return Comparison(settings, scores, len(paths), pictures)


def tune(name: str, grid: Mapping[str, Sequence[float]], pairs: Sequence[Pair]) -> dict[str, float]:
    """Settings of the filter with the highest mean PSNR over the pairs."""

    def quality(settings: Mapping[str, float]) -> float:
        smoother = _filtered(name, settings)
        return mean_of_finite(measure(smoother(pair), pair)[0] for pair in pairs)

    candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    qualities = list(in_threads(quality, candidates))
    return candidates[int(np.argmax(qualities))]


def measure(image: np.ndarray, pair: Pair) -> tuple[float, float]:
    """PSNR in dB and SSIM of a result."""
    pred, gt = to_tensor(image), to_tensor(pair.gt)
    return psnr(pred, gt), ssim(pred, gt)


def read_pair(path: Path) -> Pair:
    """Both halves of a pair image.

    Raises:
        DataError: unreadable, or of an odd width.
    """
    image = to_float(read_image(path))
    height, width = image.shape[:2]
    if width % 2:
        raise DataError(f"{path}: a pair has an even width, got {width}x{height}.")
    return Pair(path.stem, image[:, : width // 2], image[:, width // 2 :])


def report(comparison: Comparison) -> str:
    """A table of the scores with the settings that were chosen."""
    lines = [f"{'method':<18}{'PSNR':>8}{'SSIM':>9}  settings"]
    for name, score in comparison.scores.items():
        chosen = " ".join(f"{k}={v:g}" for k, v in comparison.settings.get(name, {}).items())
        lines.append(f"{name:<18}{score.psnr:8.2f}{score.ssim:9.4f}  {chosen}".rstrip())
    lines += [
        f"{name}: {score.left_out} infinite values left out of the mean PSNR"
        for name, score in comparison.scores.items()
        if score.left_out
    ]
    return "\n".join([*lines, f"means over {comparison.num_test} test pairs"])


def write_comparison(comparison: Comparison, out_dir: str | Path, note: str = "") -> None:
    """Write ``comparison.json``, with ``note`` in it, and ``comparison.png``."""
    out_dir = Path(out_dir)
    write_json(
        out_dir / "comparison.json",
        {
            "note": note,
            "num_test": comparison.num_test,
            "scores": {name: asdict(score) for name, score in comparison.scores.items()},
            "settings": comparison.settings,
        },
    )
    write_image(out_dir / "comparison.png", picture_table(comparison.pictures))


def _filtered(name: str, settings: Mapping[str, Any]) -> Smoother:
    return lambda pair: to_float(apply_filter(name, to_uint8(pair.observation), settings))


def _found(files: Mapping[str, Path]) -> Smoother:
    return lambda pair: _read_result(files[pair.name], pair)


def _read_result(path: Path, pair: Pair) -> np.ndarray:
    image = to_float(read_image(path))
    if image.shape != pair.gt.shape:
        size, wanted = image.shape[:2], pair.gt.shape[:2]
        raise DataError(f"{path}: must be {wanted} pixels (H, W), got {size}.")
    return image


def _draw(paths: Sequence[Path], count: int | None, seed: int) -> list[Path]:
    """That many of the paths at random, in their order."""
    if count is None or count >= len(paths):
        return list(paths)
    chosen = np.random.default_rng(seed).choice(len(paths), count, replace=False)
    return [paths[i] for i in sorted(chosen)]
