from __future__ import annotations

import base64
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.data.smoothing import SmoothingTestDataset
from smoothkit.engine.folder_evaluation import Evaluation, evaluate_folders
from smoothkit.engine.gallery import gallery
from smoothkit.ops.io import write_image

METRICS = {"psnr": {"type": "psnr"}, "ssim": {"type": "ssim"}}


def grey(level: int, shape: tuple[int, ...] = (16, 20, 3), dtype: type = np.uint8) -> np.ndarray:
    return np.full(shape, level, dtype)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Results that are off by 1, 2, ... 6 grey levels."""
    for number in range(1, 7):
        write_image(tmp_path / f"pred/{number}.png", grey(100 + number))
        write_image(tmp_path / f"gt/{number}.png", grey(100))
    return tmp_path


def evaluate(root: Path) -> Evaluation:
    roots = {"dataroot_lq": str(root / "pred"), "dataroot_gt": str(root / "gt")}
    section = {"type": "SmoothingTestDataset", **roots, "alpha": "drop"}
    return evaluate_folders(section, METRICS, "mine")


def test_images_are_measured_in_the_order_of_their_names(folders: Path) -> None:
    table = evaluate(folders).table
    assert (table.dataset, [row["image"] for row in table.rows]) == ("mine", list("123456"))
    assert table.rows[1]["psnr"] == pytest.approx(20 * math.log10(255 / 2))


def test_depth_and_channels_may_differ(folders: Path) -> None:
    write_image(folders / "pred/1.png", grey(101 * 257, (16, 20), np.uint16))
    write_image(folders / "gt/1.png", np.dstack([grey(100), grey(9, (16, 20))]))
    assert evaluate(folders).table.rows[0]["psnr"] == pytest.approx(20 * math.log10(255))


def test_what_cannot_be_measured_is_skipped_by_name(folders: Path) -> None:
    (folders / "pred/2.png").write_bytes(b"no image")
    write_image(folders / "pred/3.png", grey(0, (16, 19, 3)))
    (folders / "gt/5.png").unlink()
    found = evaluate(folders)
    assert [row["image"] for row in found.table.rows] == list("146")
    assert found.names == ["1.png", "4.png", "6.png"]
    broken, size, missing = found.skipped
    assert "pred/2.png" in broken
    assert size.endswith("pred/3.png, 16x19, got 16x20.")
    assert missing.startswith(f"{folders / 'gt'}: has no ground truth '5' for 5.png")


def test_ground_truths_without_a_result_are_named(folders: Path) -> None:
    for number in (1, 2, 4):
        (folders / f"pred/{number}.png").unlink()
    found = evaluate(folders)
    assert [row["image"] for row in found.table.rows] == list("356")
    wanted = [f"{folders / 'gt'}/{n}.png: has no result in {folders / 'pred'}." for n in (1, 2, 4)]
    assert found.skipped == wanted


def test_a_ground_truth_of_several_inputs_needs_one_result(folders: Path) -> None:
    for number in range(1, 6):
        (folders / f"pred/{number}.png").rename(folders / f"pred/{number % 3}_{number}.png")
    roots = {"dataroot_lq": str(folders / "pred"), "dataroot_gt": str(folders / "gt")}
    data = SmoothingTestDataset(**roots, protocol="nks")
    assert sorted(Path(path).stem for path in data.lonely_truths()) == ["3", "4", "5"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pred").mkdir()
    with pytest.raises(DataError, match="dataroot_lq: no images in"):
        evaluate(tmp_path)


def test_the_gallery_shows_each_end_once(folders: Path) -> None:
    text = gallery(evaluate(folders), "psnr", is_higher_better=True, count=2)
    shown = re.findall(r"<figcaption>(\d)\.png: psnr [\d.]+, ssim [\d.]+<", text)
    assert shown == ["6", "5", "1", "2"]
    everything = text[text.index("All images") :]
    assert re.findall(r"<tr><td>(\d)</td>", everything) == list("654321")
    few = gallery(evaluate(folders), "psnr", is_higher_better=True, count=5)
    assert re.findall(r"<figcaption>(\d)\.png", few) == list("654321")


def test_the_gallery_needs_nothing_else_and_names_what_was_skipped(folders: Path) -> None:
    (folders / "pred/<2>.png").write_bytes(b"no image")
    text = gallery(evaluate(folders), "psnr", is_higher_better=True)
    assert not re.search(r"https?:|<script|<link|url\(", text)
    assert "&lt;2&gt;.png" in text


def test_inputs_of_any_format_are_shown_before_the_results(folders: Path) -> None:
    def pictures(**options) -> list[np.ndarray]:
        text = gallery(evaluate(folders), "psnr", is_higher_better=True, **options)
        assert ("input, result" in text) == bool(options)
        data = re.findall(r'src="data:image/webp;base64,([^"]+)"', text)
        return [cv2.imdecode(np.frombuffer(base64.b64decode(d), np.uint8), 1) for d in data]

    for number in range(1, 6):
        write_image(folders / f"in/{number}.jpg", grey(200))
    (folders / "in/5.jpg").write_bytes(b"no image")
    widths = [image.shape[1] for image in pictures(input_dir=folders / "in")]
    assert widths == [3 * 24 - 4, 3 * 24 - 4, *[4 * 24 - 4] * 4]
    assert {image.shape[1] for image in pictures()} == {3 * 24 - 4}


def test_a_folder_of_inputs_that_is_not_there_is_named(folders: Path) -> None:
    with pytest.raises(DataError, match="none: cannot be read"):
        gallery(evaluate(folders), "psnr", is_higher_better=True, input_dir=folders / "none")


def test_what_the_mean_leaves_out_is_said(folders: Path) -> None:
    write_image(folders / "pred/1.png", grey(100))
    line = evaluate(folders).table.line()
    assert "psnr 36.7015" in line  # of 2 to 6 levels
    assert "(1 not finite, left out), ssim" in line
    assert line.endswith("(6 images)")
