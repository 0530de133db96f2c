"""A small HGGT folder on disk: pictures and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

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
