"""The published evaluation, by an option file's data set and by folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoothkit.data import build_dataset
from smoothkit.engine.folder_evaluation import evaluate_folders
from smoothkit.engine.result_lines import ResultLine, append_result, read_results
from smoothkit.metrics import calculate_metric
from smoothkit.ops.io import write_image
from support.oracle import Case

METRICS = {"psnr": {"type": "psnr"}, "ssim": {"type": "ssim"}}


@pytest.fixture(params=["nks", "voc"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A recorded evaluation, its images in ``pred`` and ``gt``."""
    case = Case("smoothing", f"eval_{request.param}")
    for key, array in case.arrays.items():
        if "/" in key:  # decoded files: written without loss, whatever they were
            write_image(tmp_path / Path(key).with_suffix(".png"), array)
    return case


def protocol(case: Case):
    return case.meta["dataset"].lower()


def test_folders_give_the_published_values(case: Case, tmp_path: Path) -> None:
    found = evaluate_folders(tmp_path / "pred", tmp_path / "gt", METRICS, protocol=protocol(case))
    rows = {f"{row['image']}.png": row for row in found.table.rows}
    for name in METRICS:
        case.close([rows[image][name] for image in case.meta["order_of_values"]], name)
    means = {name: values["mean"] for name, values in found.table.summary().items()}
    append_result(tmp_path / "result.txt", ResultLine("T", **means))
    (tmp_path / "theirs.txt").write_text(case.meta["result_txt"])
    (ours,), (theirs,) = (read_results(tmp_path / f) for f in ("result.txt", "theirs.txt"))
    assert ours.title == theirs.title
    assert ours.psnr == pytest.approx(theirs.psnr, abs=case.atol)
    assert ours.ssim == pytest.approx(theirs.ssim, abs=case.atol)


def test_the_data_set_gives_the_published_values(case: Case, tmp_path: Path) -> None:
    roots = {"dataroot_lq": str(tmp_path / "pred"), "dataroot_gt": str(tmp_path / "gt")}
    data = build_dataset({"type": "SmoothingTestDataset", **roots, "protocol": protocol(case)})
    items = {Path(item["lq_path"]).name: item for item in (data[i] for i in range(len(data)))}
    for name, options in METRICS.items():
        values = [
            calculate_metric({"img": items[image]["lq"], "img2": items[image]["gt"]}, options)
            for image in case.meta["order_of_values"]
        ]
        case.close(values, name)
