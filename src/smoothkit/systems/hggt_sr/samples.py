"""A miniature HGGT folder made of photographs: versions by sharpening, labels by rule.

It stands in for people's work where the real data are not at hand: enough to run every command, and
not a data set to report figures on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from smoothkit.core.files import write_json
from smoothkit.core.parallel import in_threads
from smoothkit.ops.io import decode_image, encode_image, read_image, to_float, to_uint8, write_image

Enhance = Callable[[np.ndarray], np.ndarray]

# A version that enhances less than this, relative to the edges that are there, looks the same.
LEAST_GAIN = 0.1
# Levels of 255 by which pixels may leave the range of their surroundings, for each annotator.
TOLERANCES = {"A": 12.0, "B": 15.0, "C": 18.0}
# Overshoot shows where there are edges: the mean over this share of the pixels, the worst ones.
WORST_SHARE = 0.1


def unsharp(image: np.ndarray, sigma: float, amount: float) -> np.ndarray:
    """The image with ``amount`` times its difference from a blurred one added, in [0, 1].

    Args:
        image: (H, W, 3) float32 in [0, 1].
        sigma: of the Gaussian, in pixels.
    """
    blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    sharp: np.ndarray = np.clip(image + amount * (image - blurred), 0, 1)
    return sharp


def ruined(image: np.ndarray) -> np.ndarray:
    """Sharpened far too much, after a compression whose blocks it brings out."""
    content = encode_image(to_uint8(image), ".jpg", params=(cv2.IMWRITE_JPEG_QUALITY, 20))
    return unsharp(to_float(decode_image(content, "compressed")), sigma=1.5, amount=4)


VERSIONS: dict[str, Enhance] = {
    "01": partial(unsharp, sigma=1, amount=0.3),
    "02": partial(unsharp, sigma=2, amount=0.5),
    "03": partial(unsharp, sigma=2, amount=1.5),
    "04": ruined,
}


def gain(original: np.ndarray, version: np.ndarray) -> float:
    """By how much the mean gradient grew, relative to the original's."""
    before, after = (_mean_gradient(image) for image in (original, version))
    return after / max(before, 1e-6) - 1


def overshoot(original: np.ndarray, version: np.ndarray) -> float:
    """By how many levels of 255 the worst tenth of the pixels leave the range around them."""
    window = np.ones((3, 3), np.uint8)
    above = version - cv2.dilate(original, window)
    below = cv2.erode(original, window) - version
    beyond = np.maximum(0, np.maximum(above, below)).max(axis=2).ravel()
    count = max(1, round(WORST_SHARE * beyond.size))
    return float(np.sort(beyond)[-count:].mean() * 255)


def label(original: np.ndarray, version: np.ndarray, tolerance: float) -> str:
    """What a patient annotator says: Similar, Positive, or Negative beyond the tolerance."""
    if overshoot(original, version) > tolerance:
        return "Negative"
    return "Positive" if gain(original, version) >= LEAST_GAIN else "Similar"


def make_sample_hggt(photographs: Sequence[Path], out_dir: str | Path) -> list[str]:
    """Write ``images/{original,01,...}`` and ``labels/{A,B,C}``; returns the sets' names.

    Sides are cut to multiples of 8, for every scale in use. Files of the same names are replaced.

    Raises:
        DataError: a photograph cannot be read, or a file cannot be written.
    """
    out_dir = Path(out_dir)

    def make(path: Path) -> str:
        original = _cut(read_image(path, alpha="drop"))
        # As bytes, so that labels speak of what is on disk.
        versions = {name: to_uint8(f(to_float(original))) for name, f in VERSIONS.items()}
        write_image(out_dir / f"images/original/{path.stem}.png", original)
        for name, version in versions.items():
            write_image(out_dir / f"images/{name}/{path.stem}_{name}.png", version)
        for annotator, tolerance in TOLERANCES.items():
            content = _label_file(original, versions, tolerance)
            write_json(out_dir / f"labels/{annotator}/{path.stem}.json", content)
        return path.stem

    return list(in_threads(make, photographs))


def _label_file(
    original: np.ndarray, versions: dict[str, np.ndarray], tolerance: float
) -> dict[str, dict[str, str | None]]:
    pictures: list[tuple[str, str | None]] = [("original", None)]
    pictures += [
        (name, label(to_float(original), to_float(version), tolerance))
        for name, version in versions.items()
    ]
    return {
        f"Picture_{number}": {"File": name, "Label": word}
        for number, (name, word) in enumerate(pictures, 1)
    }


def _cut(image: np.ndarray) -> np.ndarray:
    height, width = (side // 8 * 8 for side in image.shape[:2])
    return image[:height, :width]


def _mean_gradient(image: np.ndarray) -> float:
    grey = image.mean(axis=2)
    return float(np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)).mean())
