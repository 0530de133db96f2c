"""What becomes of single keys of the published option files of enhancement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from smoothkit.core.errors import OptionError
from smoothkit.core.options import read_options, thaw
from smoothkit.engine.check import check
from smoothkit.engine.published import in_our_form
from support.pins import nested, read_pins

PUBLISHED = read_pins(Path(__file__).parents[1] / "pins/published/hggt_enhance.yml")


def published() -> dict[str, Any]:
    return nested(PUBLISHED["train/hggt_enhance/train_EnhanceRCAN_01.yml"])


def read(options: dict[str, Any], path: Path) -> tuple[dict[str, Any], list[str]]:
    path.write_text(yaml.safe_dump(options))
    found, unread = in_our_form(read_options(path))
    assert check(found).faults == []
    return thaw(found.data), unread


def test_the_largest_kernel_is_left_out_and_the_pool_has_its_size(tmp_path: Path) -> None:
    options = published()
    del options["queue_size"]
    options["datasets"]["train"] |= {"blur_kernel_size_min": 2, "blur_kernel_size_max": 7}
    found, _ = read(options, tmp_path / "o.yml")
    assert found["degradation"]["pool_size"] == 200
    assert found["degradation"]["stages"][0]["blur"]["half_size"] == [2, 6]
    assert found["degradation"]["stages"][0]["blur"]["sinc_border"] == 11


def test_padding_before_tiles_is_taken_up(tmp_path: Path) -> None:
    found, _ = read({**published(), "pre_pad": 10, "tile_size": 800}, tmp_path / "o.yml")
    assert found["predictor"] == {"tile_size": 800, "tile_pad": 24, "pre_pad": 10}


def test_an_lmdb_leaves_the_list_aside(tmp_path: Path) -> None:
    options = published()
    options["datasets"]["train"] |= {"dataroot_gt": "a.lmdb", "io_backend": {"type": "lmdb"}}
    found, unread = read(options, tmp_path / "o.yml")
    assert "meta_info" not in found["datasets"]["train"]
    assert sorted(unread) == ["datasets.train.io_backend", "datasets.train.meta_info"]


def test_an_lmdb_of_another_name_is_refused(tmp_path: Path) -> None:
    options = published()
    options["datasets"]["train"] |= {"dataroot_gt": "a", "io_backend": {"type": "lmdb"}}
    told = r"o.yml:\d+: datasets.train.dataroot_gt: must end in '.lmdb' where io_backend is lmdb"
    with pytest.raises(OptionError, match=told):
        read(options, tmp_path / "o.yml")


def test_keys_that_the_published_code_never_reads_are_listed(tmp_path: Path) -> None:
    options = {**published(), "jpeg_range2": [1, 2], "use_usm": True}
    options["datasets"]["train"] |= {"gt_size": 400, "final_sinc_prob": 0.5}
    options["train"]["net_d_reg_every"] = 16
    _, unread = read(options, tmp_path / "o.yml")
    assert sorted(unread) == [
        "datasets.train.final_sinc_prob",
        "datasets.train.gt_size",
        "datasets.train.io_backend",
        "jpeg_range2",
        "train.net_d_reg_every",
        "use_usm",
    ]


def test_a_test_without_a_suffix_keeps_names_and_a_training_its_own(tmp_path: Path) -> None:
    options = published()
    assert read(options, tmp_path / "o.yml")[0]["val"]["suffix"] is None
    del options["train"], options["datasets"]["train"], options["network_d"]
    assert read(options, tmp_path / "o.yml")[0]["val"]["suffix"] == ""
    options["val"]["suffix"] = "01"
    assert read(options, tmp_path / "o.yml")[0]["val"]["suffix"] == "01"
