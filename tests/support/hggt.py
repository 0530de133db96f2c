"""A small HGGT folder on disk: pictures and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from smoothkit.ops.io import write_image

VERSIONS = ("01", "02", "03", "04")


def write_labels(root: Path, name: str, given: Mapping[str, Sequence[str | None]]) -> None:
    """``<root>/<annotator>/<name>.json`` of each annotator's labels, in the order of versions."""
    for annotator, labels in given.items():
        content = {"Picture_1": {"Name": f"{name}.png", "File": "original", "Label": None}}
        for number, (version, label) in enumerate(zip(VERSIONS, labels, strict=False), 2):
            content[f"Picture_{number}"] = {
                "Name": f"{name}_{version}.png", "File": version, "Label": label,
            }  # fmt: skip
        content["Time_cost"] = {"Start": "", "End": "", "Total": 1}
        path = root / annotator / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def write_pictures(root: Path, name: str, images: Sequence[np.ndarray]) -> None:
    """The original and its enhanced versions, BGR."""
    write_image(root / "original" / f"{name}.png", images[0])
    for version, image in zip(VERSIONS, images[1:], strict=False):
        write_image(root / version / f"{name}_{version}.png", image)


def by_all(labels: Sequence[str | None]) -> dict[str, Sequence[str | None]]:
    """Three annotators who agree."""
    return dict.fromkeys("ABC", tuple(labels))


def make_folder(root: Path, count: int = 4, side: int = 56) -> None:
    """``images`` and ``labels`` of smooth shapes; originals in ``gt``, small ones in ``lq``.

    01 is sharper than the original and positive, 02 is far too sharp and negative; the last set
    has no positive.
    """
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
        original = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        detail = original.astype(float) - cv2.GaussianBlur(original, (0, 0), 2)
        versions = [np.clip(original + gain * detail, 0, 255) for gain in (0.5, 6, 0, 0)]
        name = f"{number:04d}-0-0"
        write_pictures(root / "images", name, [original, *(v.astype(np.uint8) for v in versions)])
        first = "Similar" if number == count - 1 else "Positive"
        write_labels(root / "labels", name, by_all([first, "Negative", "Similar", "Similar"]))
        small = cv2.resize(original, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
        write_image(root / "gt" / f"{name}.png", original)
        write_image(root / "lq" / f"{name}.png", small)


def make_hggt_demo(root: Path) -> None:
    """``root/datasets/HGGT_demo/{train,val}``, as the demo lays them out."""
    for part, count in (("train", 4), ("val", 2)):
        make_folder(root / "datasets/HGGT_demo" / part, count, side=72)
