"""The published evaluation, over the data set of the option files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smoothkit.engine.folder_evaluation import evaluate_folders
from smoothkit.engine.result_lines import ResultLine, append_result, read_results
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


def section(case: Case, folder: Path) -> dict[str, Any]:
    roots = {"dataroot_lq": str(folder / "pred"), "dataroot_gt": str(folder / "gt")}
    return {"type": "SmoothingTestDataset", **roots, "protocol": case.meta["dataset"].lower()}


def test_folders_give_the_published_values(case: Case, tmp_path: Path) -> None:
    found = evaluate_folders(section(case, tmp_path), METRICS, "T")
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
