"""Measuring a model's images."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smoothkit.core.errors import DataError
from smoothkit.core.registry import METRIC_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import ValSettings
from smoothkit.engine.validation import Outcome, Place, _merged, measure, validate
from smoothkit.ops.io import read_header, read_image
from smoothkit.test import main as evaluate

METRICS = {"sad": {"type": "matting_sad"}, "psnr": {"type": "psnr"}}


class Halving:
    """Answers with half the first channel of the input; shows what it is told to show."""

    def __init__(self, **shown: torch.Tensor) -> None:
        self.shown = shown

    def feed_data(self, data: dict[str, Any]) -> None:
        self.data = data

    def test(self) -> None:
        self.result = self.data["lq"][:, :1] / 2

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        own = {"lq": self.data["lq"], "gt": self.data["gt"], "result": self.result}
        return {**own, **self.shown}


def run(folder: Path, **shown: torch.Tensor) -> Outcome:
    item = {"lq": torch.full((1, 3, 8, 9), 0.8), "gt": torch.zeros(1, 1, 8, 9)}
    loader = [{**item, "lq_path": [f"{name}.png"]} for name in "ab"]
    settings = ValSettings(metrics=METRICS, save_img=True)
    place = Place(folder, "")
    return validate(Halving(**shown), loader, {"name": "set"}, settings, Runtime(), place)


def test_a_metric_reads_the_visual_that_it_names(tmp_path):
    trimap = torch.full((1, 1, 8, 9), 128 / 255)
    rows = run(tmp_path, trimap=trimap).table.rows
    assert [row["sad"] for row in rows] == pytest.approx([0.4 * 72 / 1000] * 2)


def test_a_missing_visual_is_told_once_and_recorded_as_nan(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    rows = run(tmp_path).table.rows
    assert all(math.isnan(row["sad"]) and row["psnr"] > 0 for row in rows)
    (told,) = caplog.messages
    assert told.startswith("sad: the data set gives no 'trimap' to measure with; recorded as nan.")


class Broken(Halving):
    """Gives NaN in one pixel of the second image."""

    count = 0

    def test(self) -> None:
        super().test()
        self.count += 1
        if self.count == 2:
            self.result[0, 0, 3, 4] = float("nan")


def test_a_result_that_is_not_finite_has_neither_figure_nor_picture(tmp_path, caplog):
    settings = ValSettings(metrics={"psnr": {"type": "psnr"}}, save_img=True)
    item = {"lq": torch.full((1, 3, 8, 9), 0.8), "gt": torch.zeros(1, 1, 8, 9)}
    loader = [{**item, "lq_path": [f"{name}.png"]} for name in "abc"]
    found = validate(Broken(), loader, {"name": "s"}, settings, Runtime(), Place(tmp_path, ""))
    assert found.failures == ("b",)
    assert [math.isnan(row["psnr"]) for row in found.table.rows] == [False, True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "c.png"]
    assert "b: recorded as nan" in caplog.text
    assert "NaN or infinity in 1 of 72 values" in caplog.text


def test_a_result_of_another_size_than_its_ground_truth_is_refused(tmp_path):
    item = {"lq": torch.zeros(1, 3, 8, 9), "gt": torch.zeros(1, 1, 16, 18), "lq_path": ["a.png"]}
    with pytest.raises(DataError, match=r"a: the result must have the size .* 16x18, got 8x9\."):
        validate(Halving(), [item], {}, ValSettings(), Runtime(), Place(tmp_path, ""))


def test_without_ground_truths_that_is_told_once(caplog):
    told = set()
    for name in "ab":
        values = measure(METRICS, {"result": torch.zeros(1, 1, 8, 9)}, name, told)
        assert all(math.isnan(value) for value in values.values())
    (message,) = caplog.messages
    assert "the data set gives no 'gt' to measure with; recorded as nan. Add" in message


def test_grey_results_are_written_as_grey_beside_a_colour_input(tmp_path):
    outcome = run(tmp_path)
    assert read_header(tmp_path / "a.png").kind == "grey"
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="gray"), 102)
    # Input, result, ground truth, error amplified four times: three gaps of four pixels.
    row = outcome.rows["a"]
    assert row.shape == (3, 8, 4 * 9 + 3 * 4)
    assert row[:, 0, [0, 13, 26, 39]].T.tolist() == [
        pytest.approx([level] * 3) for level in (0.8, 0.4, 0, 1)
    ]


def test_what_a_model_saves_may_differ_from_what_is_measured(tmp_path):
    trimap, saved = torch.full((1, 1, 8, 9), 128 / 255), torch.full((1, 1, 8, 9), 101 / 255)
    rows = run(tmp_path, trimap=trimap, saved=saved).table.rows
    assert rows[0]["sad"] == pytest.approx(0.4 * 72 / 1000)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="gray"), 101)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "a.png: out of memory. Set predictor"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "a.png: out of memory"),
        (RuntimeError("CUDA error: device-side assert\nmore"), r"the GPU failed \(CUDA error: dev"),
    ],
)
def test_a_failing_device_is_no_fault_of_an_image(monkeypatch, error, message):
    def failing(pred: torch.Tensor, gt: torch.Tensor) -> float:
        raise error

    monkeypatch.setattr(METRIC_REGISTRY, "get", lambda name: failing)
    images = {"result": torch.zeros(1, 3, 4, 4), "gt": torch.zeros(1, 3, 4, 4)}
    with pytest.raises(DataError, match=message):
        measure({"m": {"type": "any"}}, images, "a.png")


@pytest.mark.parametrize(
    ("name", "device"), [("lpips", "meta"), ("dists", "meta"), ("psnr", "cpu")]
)
def test_metrics_that_judge_by_a_network_run_on_the_device_of_the_run(monkeypatch, name, device):
    seen = []

    def judge(pred: torch.Tensor, gt: torch.Tensor) -> float:
        seen.append((pred.device.type, gt.device.type))
        return 0.0

    vars(judge).update(vars(METRIC_REGISTRY.get(name)))
    monkeypatch.setattr(METRIC_REGISTRY, "get", lambda _: judge)
    images = {"result": torch.zeros(1, 3, 4, 4), "gt": torch.zeros(1, 3, 4, 4)}
    measure({"m": {"type": name}}, images, "a.png", device=torch.device("meta"))
    assert seen == [(device, device)]


def test_a_result_whose_name_is_too_long_is_measured_and_named(tmp_path, caplog):
    settings = ValSettings(metrics={"psnr": {"type": "psnr"}}, save_img=True)
    item = {"lq": torch.full((1, 3, 8, 9), 0.8), "gt": torch.zeros(1, 1, 8, 9)}
    loader = [{**item, "lq_path": [f"{name}.png"]} for name in ("a", "b" * 250, "c")]
    found = validate(Halving(), loader, {"name": "s"}, settings, Runtime(), Place(tmp_path, "net"))
    assert found.nameless == ("b" * 250,)
    assert "_net.png: the name must have at most 255 bytes, got 258." in caplog.text
    assert [sorted(row) for row in found.table.rows] == [["image", "psnr"]] * 3
    assert all(row["psnr"] > 0 for row in found.table.rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_net.png", "c_net.png"]


@pytest.mark.parametrize("second", ["a.jpg", "elsewhere/a.png"])
def test_no_result_replaces_that_of_another_image(tmp_path, second):
    item = {"lq": torch.full((1, 3, 8, 9), 0.8), "gt": torch.zeros(1, 1, 8, 9)}
    loader = [{**item, "lq_path": ["a.png"]}, {**item, "lq": item["lq"] / 2, "lq_path": [second]}]
    given = Halving(), loader, {"name": "s"}
    with pytest.raises(DataError, match=f"{second}: its result would replace that of a.png, .*/a."):
        validate(*given, ValSettings(save_img=True), Runtime(), Place(tmp_path, ""))
    assert read_image(tmp_path / "a.png", mode="gray").max() == 102  # that of the first
    measured = validate(*given, ValSettings(), Runtime(), Place(tmp_path, ""))
    assert len(measured.table.rows) == 2


def test_results_of_two_processes_that_have_one_file_are_refused():
    rows = [{"image": "a", "number": n, "_files": ("a.png", f"{n}/a.png")} for n in (0, 1)]
    with pytest.raises(DataError, match=r"1/a.png: its result would replace that of 0/a.png"):
        _merged("set", [], [([rows[0]], {}), ([rows[1]], {})])


def test_a_test_without_all_its_pictures_ends_with_2(tiny, capfd):
    path = tiny(train=None, datasets={"train": None}, val={"save_img": True, "suffix": "x" * 300})
    assert evaluate(["-opt", str(path)]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    told = "held_out/item_0: the name of its result is too long for a file; so it is with 3 of 3"
    assert last.startswith(told)
    assert len(Path("results/tiny/metrics.csv").read_text().splitlines()) == 4
