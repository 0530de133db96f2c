"""Making VOC-smooth again, from other sources or by another recipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smoothkit.core.files import write_bytes
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import write_image
from smoothkit.ops.labels import encode_labels
from support.voc import QUICK, SIZE, contents, make, pixels, write_voc

MASK, PHOTO = "voc/SegmentationClass/2007_02.png", "voc/JPEGImages/2007_02.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_voc(tmp_path)
    return tmp_path


def changed_photo(root: Path) -> None:
    write_image(root / PHOTO, pixels("another"))


def changed_texture(root: Path) -> None:
    write_image(root / "tx/wood.png", pixels("another"))


def changed_mask(root: Path) -> None:
    write_bytes(root / MASK, encode_labels(np.zeros(SIZE, np.uint8)))


def removed_texture(root: Path) -> None:
    (root / "tx/brick.png").unlink()


def times(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*.*") if path.name != NOTE)
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize(
    ("change", "recipe", "chosen", "told"),
    [
        (changed_texture, {}, {}, ["4 results are made anew; what changed: texture wood.png."]),
        (changed_mask, {}, {}, ["1 result is made anew; what changed: mask 2007_02.png."]),
        # A ground truth, its edges, two pairs and the over-smoothed image.
        (changed_photo, {}, {}, ["5 results are made anew; what changed: photograph 2007_02.png."]),
        (None, {"gt_filter": "bilateral:sigma_color=0.5"}, {}, ["16 results are made anew; what"]),
        (None, {"edge_channel": "gray"}, {}, ["4 results", "(edge_channel blue, now gray)."]),
        (None, {"val_fraction": 0.25}, {}, ["images are removed; an earlier run made what"]),
        (None, {"seed": 3}, {}, [" removed; an earlier run made what these images and settings"]),
        (None, {"num_val_small": 3}, {}, ["2 images are removed; an earlier run made"]),
        (removed_texture, {}, {}, ["texture brick.png, now wood.png."]),
        (None, {}, {"num_gt": 2}, [" images are removed; "]),
        (None, {}, {"gt_dir": "gt"}, ["4 results are made anew; what changed: photograph 2007_0"]),
    ],
)
def test_what_is_not_as_it_would_be_made_is_made_anew_or_removed_and_that_is_told(
    root: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Path], None] | None,
    recipe: dict[str, Any],
    chosen: dict[str, Any],
    told: list[str],
) -> None:
    caplog.set_level("INFO")
    make(root)
    if change:
        change(root)
    chosen = {k: root / v if isinstance(v, str) else v for k, v in chosen.items()}
    former, before = contents(root / "out"), times(root / "out")
    make(root, replace(QUICK, **recipe), **chosen)
    assert all(line in caplog.text for line in told), caplog.text
    make(root, replace(QUICK, **recipe), out="fresh", **chosen)
    wanted, after = contents(root / "fresh"), times(root / "out")
    assert contents(root / "out") == wanted != former
    same = {name for name in wanted if former.get(name) == wanted[name]}
    assert {name for name in after if after[name] == before.get(name)} == same


def test_a_pair_that_was_moved_to_val_small_by_hand_is_made_where_it_belongs(root: Path) -> None:
    make(root)
    whole = contents(root / "out")
    stray = next((root / "out/train").iterdir())
    stray.rename(root / "out/val_small" / stray.name)
    assert make(root).written == 1
    assert contents(root / "out") == whole


@contextmanager
def stopped(at: int) -> Iterator[None]:
    """Ends what is inside before it writes file number ``at``, if it gets there."""
    real, turns = os.replace, count()

    def renamed(source: Path, target: Path) -> None:
        if next(turns) == at:
            raise KeyboardInterrupt
        real(source, target)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(os, "replace", renamed)
        yield


@pytest.mark.parametrize("recipe", [{"seed": 3}, {"gt_filter": "bilateral:sigma_color=0.5"}])
def test_a_set_that_is_made_anew_and_stopped_anywhere_is_completed(
    root: Path, recipe: dict[str, Any]
) -> None:
    other = replace(QUICK, **recipe)
    make(root, other, out="fresh")
    wanted = contents(root / "fresh")
    for at in (0, 1, 2, 4, 7, 11, 14):
        make(root)
        assert contents(root / "out") != wanted
        with stopped(at):
            make(root, other)
        pairs = [path.name for path in (root / "out").glob("[tv]*/*.png")]
        assert len(set(pairs)) == len(pairs)  # none is in two folders
        make(root, other)
        assert contents(root / "out") == wanted
