"""The report: what it reads, how it draws, what it refuses."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.engine.report import evenly_spread, report
from smoothkit.engine.report_charts import (
    Line,
    Point,
    averaged,
    decimate,
    line_chart,
    linear_ticks,
    log_ticks,
)
from smoothkit.engine.report_runs import read_runs
from smoothkit.ops.io import write_image

NAN = math.nan


def points(*values: float) -> list[Point]:
    return [Point(i + 1, value) for i, value in enumerate(values)]


def paths(chart: str) -> list[str]:
    return re.findall(r' d="(M[^"]*h0[^"]*)"', chart)


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the folder of a run: lines of ``metrics.jsonl`` and, where given, options."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, *lines: dict[str, Any], options: str = "", end: str = "") -> Path:
        folder = Path("experiments") / name
        folder.mkdir(parents=True)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "metrics.jsonl").write_text(text + end)
        if options:
            (folder / "options.yml").write_text(options)
        return folder

    return write


def test_decimation_keeps_the_first_the_last_and_the_extremes():
    values = [math.sin(i / 50) for i in range(10_000)]
    values[4321], values[7777] = 9.0, -9.0
    kept = decimate(points(*values), buckets=100)
    assert len(kept) <= 202
    assert kept == sorted(kept)
    assert kept[0] == (1, values[0])
    assert kept[-1] == (10_000, values[-1])
    assert {(4322, 9.0), (7778, -9.0)} <= set(kept)


def test_decimation_keeps_gaps():
    values = [1.0] * 1000
    values[500:600] = [NAN] * 100
    kept = decimate(points(*values), buckets=100)
    assert {point.x for point in kept if math.isnan(point.y)} == set(range(501, 601, 10))


def test_few_points_stay_as_they_are():
    few = points(3.0, 1.0, 2.0)
    assert decimate(few) == few
    assert averaged(few) == few


def test_a_long_curve_is_averaged_over_neighbours_that_have_a_value():
    values = [1.0, NAN, 3.0, NAN, NAN, NAN, 7.0, 8.0, 9.0]
    first, gap, last = averaged(points(*values), buckets=3)
    assert (first, last) == ((2, 2.0), (8, 8.0))
    assert gap.x == 5
    assert math.isnan(gap.y)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100_000, [0, 20_000, 40_000, 60_000, 80_000, 100_000]),
        (-0.1, 1.03, [0, 0.25, 0.5, 0.75, 1]),
        (29.48, 29.4925, [29.48, 29.4825, 29.485, 29.4875, 29.49, 29.4925]),
        (1e-6, 4e-6, [1e-6, 2e-6, 3e-6, 4e-6]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert linear_ticks(low, high) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.03, 2.5, [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (3e-5, 20, [1e-4, 1e-3, 1e-2, 0.1, 1, 10]),
        (1e-12, 1, [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1]),
    ],
)
def test_logarithmic_ticks_are_powers_of_ten_with_2_and_5_where_few(low, high, expected):
    assert log_ticks(low, high) == expected


def test_a_value_that_is_not_finite_leaves_a_gap():
    (path,) = paths(line_chart("loss", [Line("a", 0, points(1, 2, NAN, 3, 4))]))
    assert path.count("M") == 2
    assert path.count("L") == 2


def test_a_lone_value_is_still_drawn():
    chart = line_chart("loss", [Line("a", 0, points(0.5))])
    assert len(paths(chart)) == 1
    assert "<title>a: 0.5 at 1</title>" in chart


def test_nothing_finite_makes_no_chart():
    assert line_chart("loss", [Line("a", 0, points(NAN, math.inf))]) == ""


def test_several_runs_share_one_chart_with_a_legend():
    chart = line_chart("loss", [Line("a", 0, points(1, 2)), Line("b", 1, points(2, 3))])
    assert chart.count("<figure") == 1
    assert len(paths(chart)) == 2
    legend = chart[chart.index('class="legend"') :]
    assert re.findall(r'class="(run\d)".*?</svg> (\w)<', legend) == [("run0", "a"), ("run1", "b")]


def test_a_wide_range_of_losses_is_logarithmic():
    wide, narrow = [Line("a", 0, points(100, 1))], [Line("a", 0, points(2, 1))]
    negative = [Line("a", 0, points(100, -1))]
    told = "(log scale)"
    assert told in line_chart("loss", wide, is_loss=True)
    assert told not in line_chart("loss", narrow, is_loss=True)
    assert told not in line_chart("loss", negative, is_loss=True)
    assert told not in line_chart("psnr", wide)


def test_a_long_loss_is_averaged_before_its_values():
    line = Line("a", 0, points(*([1.0, 3.0] * 500)))
    values, means = paths(line_chart("loss", [line], is_loss=True))
    assert len(set(re.findall(r" ([\d.]+)", values))) == 2
    assert len(set(re.findall(r" ([\d.]+)", means))) == 1
    assert len(paths(line_chart("psnr", [line]))) == 1


def test_the_first_and_the_last_are_among_those_evenly_spread():
    assert evenly_spread(range(100), 8) == [0, 14, 28, 42, 57, 71, 85, 99]
    assert evenly_spread("abc", 8) == ["a", "b", "c"]


def test_names_are_escaped(experiment):
    experiment("a<b>&c", {"iter": 1, "l_<i>": 1.0}, options="name: <script>\n")
    text = report(read_runs(["a<b>&c"]))
    assert not re.search("<b>|<i>|<script>", text)
    assert "a&lt;b&gt;&amp;c" in text


def test_the_best_value_of_a_metric_follows_its_direction(experiment):
    values = [
        {"psnr": 20.0, "dist": 0.5},
        {"psnr": 30.0, "dist": 0.25},
        {"psnr": 25.0, "dist": None},
    ]
    lines = [{"iter": i + 1, "dataset": "set5", "val": val} for i, val in enumerate(values)]
    metrics = "{psnr: {type: psnr}, dist: {type: psnr, better: lower}, gone: {type: gone}}"
    experiment("a", *lines, options=f"val: {{metrics: {metrics}}}\n")
    text = report(read_runs(["a"]))
    rows = dict(re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", text))
    assert rows["set5: psnr, highest"] == "30.0000 at 2"
    assert rows["set5: psnr, last"] == "25.0000 at 3"
    assert rows["set5: dist, lowest"] == "0.2500 at 2"
    assert rows["set5: dist, last"] == "-"


def test_null_is_a_gap_and_the_last_losses_are_told(experiment):
    experiment(
        "a", {"iter": 1, "l_total": 2.0, "lr": 0.1}, {"iter": 2, "l_total": None, "lr": 1e-5}
    )
    text = report(read_runs(["a"]))
    assert "<td>last iteration</td><td>2</td>" in text
    assert "<td>l_total, last</td><td>-</td>" in text
    assert "<td>lr, last</td><td>1e-05</td>" in text


def test_half_a_last_line_is_passed_over(experiment):
    experiment("a", {"iter": 1, "l_total": 2.0}, {"iter": 2, "l_total": 1.0}, end='{"iter": 3, "l_')
    (run,) = read_runs(["experiments/a"])
    assert run.curves == {("", "l_total"): [(1, 2.0), (2, 1.0)]}


def test_only_options_that_differ_are_compared(experiment):
    experiment("a", options="name: a\ntrain: {lr: 1e-4, when: 2020-01-01, betas: [0.9, 0.99]}\n")
    experiment(
        "b", options="name: b\ntrain: {lr: 2e-4, when: 2020-01-01, betas: [0.9, 0.99], ema: true}\n"
    )
    text = report(read_runs(["a", "b"]))
    assert "<td>train.lr</td><td>0.0001</td><td>0.0002</td>" in text
    assert "<td>train.ema</td><td>-</td><td>true</td>" in text
    assert not re.search("<td>(name|train.when|train.betas)</td>", text)


def test_many_test_images_show_the_worst_and_the_best(experiment):
    experiment("a")
    rows = [f"set5,im{i},{i}.5" for i in range(70)]
    Path("results/a").mkdir(parents=True)
    Path("results/a/metrics.csv").write_text(
        "\n".join(["dataset,image,psnr", *rows, "set5,bad,nan"])
    )
    text = report(read_runs(["a"]))
    assert "a, set5: psnr 35.0000 ± 20.3511 (1 not finite, left out) (71 images)" in text
    shown = re.findall(r"<td>(im\d+|bad|\(.*?\))</td>", text)
    best = [f"im{i}" for i in range(45, 70)]
    assert shown == ["bad", *(f"im{i}" for i in range(24)), "(21 images left out)", *best]


def test_a_damaged_picture_is_left_out(experiment):
    folder = experiment("a") / "visualization/set5"
    write_image(folder / "comparison_10.png", np.zeros((8, 8, 3), np.uint8))
    (folder / "comparison_5.png").write_bytes(b"\x89PNG")
    (folder / "comparison_latest.png").write_bytes(b"")
    assert re.findall("<figcaption>(iteration .*?)<", report(read_runs(["a"]))) == ["iteration 10"]


def test_pictures_are_made_small(experiment):
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), np.uint8)
    folder = experiment("a") / "visualization/set5"
    for i in range(20):
        write_image(folder / f"comparison_{i}.png", noise)
    text = report(read_runs(["a"]))
    assert text.count("data:image/webp") == 8
    assert len(text) < 8 * 250_000


def test_a_run_named_twice_is_shown_once(experiment):
    experiment("a")
    assert len(read_runs(["a", "experiments/a", str(Path("experiments/a").resolve())])) == 1


def test_an_unknown_run_is_refused_with_the_nearest(experiment):
    experiment("JESSNet_demo")
    expected = "JESNet_demo: no such experiment. Did you mean 'JESSNet_demo'?"
    for name in ("JESNet_demo", "experiments/JESNet_demo"):
        with pytest.raises(DataError, match=expected):
            read_runs([name])


def test_a_folder_without_metrics_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no metrics.jsonl\. Give the folder of a training"):
        read_runs([str(tmp_path)])


def test_a_foreign_table_is_refused_by_name(experiment):
    experiment("a")
    Path("results/a").mkdir(parents=True)
    Path("results/a/metrics.csv").write_text("dataset,image,psnr\nset5,im1,good\n")
    with pytest.raises(DataError, match=r"results/a/metrics.csv: is not a table of smoothkit.test"):
        read_runs(["a"])
