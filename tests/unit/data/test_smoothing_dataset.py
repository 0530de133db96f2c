from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data import build_dataset
from smoothkit.ops.io import write_image


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    write_image(tmp_path / "lq/1_1.png", image(6, 8, 1))
    write_image(tmp_path / "lq/2_1.png", image(4, 10, 2))
    write_image(tmp_path / "gt/1.bmp", image(6, 8, 3))
    write_image(tmp_path / "gt/2.png", image(4, 10, 4))
    return tmp_path


def build(root: Path, **options):
    roots = {"dataroot_lq": str(root / "lq"), "dataroot_gt": str(root / "gt")}
    return build_dataset({"type": "SmoothingTestDataset", **roots, **options})


def test_items_are_whole_images_with_their_ground_truths(folders: Path) -> None:
    item = build(folders, protocol="nks", color="bgr")[0]
    assert torch.equal(item["lq"], torch.from_numpy(image(6, 8, 1)).permute(2, 0, 1) / 255)
    assert torch.equal(item["gt"], torch.from_numpy(image(6, 8, 3)).permute(2, 0, 1) / 255)
    assert item["gt_path"] == str(folders / "gt/1.bmp")
    assert torch.equal(build(folders, protocol="nks")[0]["lq"], item["lq"].flip(0))


def test_the_right_half_of_a_pair_is_the_observation(folders: Path) -> None:
    write_image(folders / "lq/1_1.png", image(6, 17, 1))
    write_image(folders / "gt/1.bmp", image(6, 9, 3))
    item = build(folders, protocol="nks", color="bgr", crop_right_half=True)[0]
    right = torch.from_numpy(image(6, 17, 1)[:, 8:]).permute(2, 0, 1) / 255
    assert torch.equal(item["lq"], right)


def test_without_ground_truths_images_are_smoothed_only(folders: Path) -> None:
    data = build(folders, dataroot_gt=None)
    assert sorted(data[1]) == ["lq", "lq_path"]
    assert data.check() == []


def test_faults_are_found_from_headers_alone(folders: Path) -> None:
    write_image(folders / "gt/2.png", image(4, 9))
    write_image(folders / "lq/3_1.png", image(4, 9))
    (folders / "lq/4_1.png").write_bytes(b"no image")
    told = dict(build(folders, protocol="nks").check())
    assert sorted(told) == [1, 2, 3]
    assert told[1].startswith(f"{folders}/gt/2.png: must have the size of")
    assert told[1].endswith("lq/2_1.png, 4x10, got 4x9.")
    assert "has no ground truth '3' for 3_1.png" in told[2]
    assert "4_1.png" in told[3]


def test_an_item_with_a_fault_is_an_error_that_names_it(folders: Path) -> None:
    write_image(folders / "gt/2.png", image(4, 9))
    with pytest.raises(DataError, match=r"gt/2\.png: must have the size of"):
        build(folders, protocol="nks")[1]


def test_a_number_of_ground_truths_below_one_is_refused(folders: Path) -> None:
    with pytest.raises(OptionError, match="num_gt: must be 1 or more, got 0"):
        build(folders, protocol="voc", num_gt=0)


def test_more_ground_truths_than_counted_are_refused(folders: Path) -> None:
    """Their numbers modulo a smaller count are those of others, silently."""
    write_image(folders / "gt/7.png", image(4, 10))
    with pytest.raises(OptionError, match="num_gt: must be the number of ground truths, of which"):
        build(folders, protocol="voc", num_gt=7)
    build(folders, protocol="voc", num_gt=8)
