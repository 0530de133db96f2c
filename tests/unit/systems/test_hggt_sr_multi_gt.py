"""What a measure over several ground truths fails of: the pictures, or the program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.systems.hggt_sr.labels import read_labels
from smoothkit.systems.hggt_sr.measures import measure_of
from smoothkit.systems.hggt_sr.multi_gt import Outcome, multi_gt
from support.hggt import make_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_folder(tmp_path, count=2)
    return tmp_path


def measured(root: Path, measure) -> Outcome:
    labels = read_labels(root / "labels")
    steps = multi_gt(root / "gt", root / "images", labels, measure, metrics=["psnr"])
    return [outcome for _, _, outcome in steps][-1]


def failing(error: Exception):
    def measure(result, truths):
        raise error

    return measure


@pytest.mark.parametrize("error", [ValueError("too small"), AssertionError("too small")])
def test_pictures_that_a_metric_refuses_are_skipped_and_named(root, error):
    skipped = measured(root, failing(error)).skipped
    assert any("0000-0-0.png: cannot be measured: too small" in line for line in skipped)


def test_a_bug_of_a_metric_is_not_blamed_on_the_pictures(root):
    with pytest.raises(RuntimeError, match="a bug"):
        measured(root, failing(RuntimeError("a bug")))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "0000-0-0.png: out of memory"),
        (RuntimeError("CUDA error: an illegal memory access"), "0000-0-0.png: the GPU failed"),
    ],
)
def test_a_device_that_fails_ends_it_in_one_line(root, error, told):
    with pytest.raises(DataError, match=told):
        measured(root, failing(error))


@pytest.mark.parametrize("side", [60, 103, 180])
def test_pictures_that_are_too_small_for_niqe_are_refused(side):
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    with pytest.raises(ValueError, match="NIQE needs two blocks of 96x96 pixels inside crop_bo"):
        measure_of(["niqe"], crop_border=4)(image, [image])
