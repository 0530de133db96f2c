"""Ground truths by a list, an lmdb or a folder; what of them cannot be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data import build_dataloader, build_dataset
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image


def noise(seed: int, height: int = 8, width: int = 8, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images, one in a folder of its own whose name has a blank."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(["b.png", "a 1.x.png", "sub folder/c.png"]):
        write_image(tmp_path / "gt" / name, noise(seed))
    return tmp_path


def dataset(**options: Any) -> Any:
    return build_dataset({"type": "EnhancementDataset", "dataroot_gt": "gt", **options})


def still(**options: Any) -> Any:
    return dataset(use_hflip=False, use_rot=False, **options)


def rgb(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())


def test_a_list_decides_which_images_and_in_which_order(root: Path) -> None:
    lines = ["\ufeffsub folder/c.png", "", "  a 1.x.png  ", "   ", ""]
    Path("list.txt").write_bytes("\r\n".join(lines).encode())
    found = still(meta_info="list.txt")
    assert len(found) == 2
    assert torch.equal(found[0]["gt"], rgb(noise(2)))
    assert found[1]["gt_path"] == os.path.join("gt", "a 1.x.png")
    assert torch.equal(found[1]["gt"], rgb(noise(1)))
    assert found.check() == []


def test_without_a_list_all_images_below_the_folder_are_taken(root: Path) -> None:
    paths = [still()[index]["gt_path"] for index in range(3)]
    assert paths == [os.path.join("gt", n) for n in ("a 1.x.png", "b.png", "sub folder/c.png")]


def test_a_name_that_is_not_utf8_is_found(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_image(Path("gt") / name, noise(5))
    Path("list.txt").write_bytes(os.fsencode(name) + b"\n")
    assert torch.equal(still(meta_info="list.txt")[0]["gt"], rgb(noise(5)))


def test_missing_files_are_named_before_the_start(root: Path) -> None:
    Path("list.txt").write_text("b.png\nnone.png\nsub folder/b.png\n")
    faults = still(meta_info="list.txt").check()
    assert [index for index, _ in faults] == [1, 2]
    assert f"{os.path.join('gt', 'none.png')}: no such file" in faults[0][1]


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"meta_info": "none.txt"}, DataError, "none.txt: no such file"),
        ({"meta_info": "empty.txt"}, DataError, "meta_info: empty.txt lists no images"),
        ({"dataroot_gt": "none"}, DataError, "dataroot_gt: no such folder, got none"),
        ({"dataroot_gt": "none", "meta_info": "one.txt"}, DataError, "dataroot_gt: no such folder"),
        ({"dataroot_gt": "gt.lmdb", "meta_info": "one.txt"}, OptionError,
         "meta_info: gt.lmdb has a list of its own. Remove this one."),
        ({"crop_pad_size": 0}, OptionError, "crop_pad_size: must be 1 or more, got 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_refused(root: Path, options, error, told: str) -> None:
    Path("empty.txt").write_text("\n \r\n")
    Path("one.txt").write_text("b.png\n")
    with pytest.raises(error, match=told):
        dataset(**options)


def test_an_lmdb_is_read_by_names_with_dots(root: Path) -> None:
    write_image("gt/a 1.y.png", noise(7))
    create_lmdb(open_store("gt", is_recursive=True), "gt.lmdb")
    found = still(dataroot_gt="gt.lmdb")
    images = {found[index]["gt_path"]: found[index]["gt"] for index in range(len(found))}
    assert len(images) == 4
    assert torch.equal(images[os.path.join("gt.lmdb", "a 1.y.png")], rgb(noise(7)))
    assert torch.equal(images[os.path.join("gt.lmdb", "a 1.x.png")], rgb(noise(1)))
    assert found.check() == []


def test_two_names_with_one_key_are_refused(root: Path) -> None:
    create_lmdb(open_store("gt"), "gt.lmdb")
    with open("gt.lmdb/meta_info.txt", "a") as file:
        file.write("b.jpg (8,8,3) 1\n")
    told = r"meta_info.txt: has b.png and b.jpg, whose key is the same: .* create the lmdb again"
    with pytest.raises(DataError, match=told):
        dataset(dataroot_gt="gt.lmdb")


def test_images_are_whole_flipped_and_transposed(root: Path) -> None:
    Path("list.txt").write_text("b.png\n")
    found, image = dataset(meta_info="list.txt"), rgb(noise(0))
    seen = {found.get(0, np.random.default_rng(seed))["gt"].numpy().tobytes() for seed in range(64)}
    flips = [image.flip(axes) for axes in ((), (1,), (2,), (1, 2))]
    views = [view for flip in flips for view in (flip, flip.transpose(1, 2))]
    assert seen == {view.contiguous().numpy().tobytes() for view in views}


def test_unequal_sizes_are_named_before_the_start(root: Path) -> None:
    write_image("gt/wide.png", noise(3, 8, 12))
    ((_, told),) = still().check()
    assert told == (
        f"{os.path.join('gt', 'wide.png')}: has 8x12 pixels, {os.path.join('gt', 'a 1.x.png')} has "
        "8x8. Whole images of a batch need one size: set crop_pad_size."
    )


def test_whole_images_that_change_their_size_when_transposed_are_named(root: Path) -> None:
    write_image("wide/w.png", noise(3, 8, 12))
    assert still(dataroot_gt="wide").check() == []
    ((_, told),) = dataset(dataroot_gt="wide").check()
    assert "w.png: must have equal sides, got 8x12" in told
    assert "set crop_pad_size or use_rot: false" in told


def test_crops_take_images_of_any_size_and_mirror_small_ones(root: Path) -> None:
    write_image("mixed/large.png", noise(3, 20, 9))
    write_image("mixed/small.png", noise(4, 5, 30))
    found = still(dataroot_gt="mixed", crop_pad_size=9)
    assert found.check() == []
    batch = next(iter(build_dataloader(found, {"batch_size_per_gpu": 2}, num_gpu=0)))
    assert batch["gt"].shape == (2, 3, 9, 9)
    small = found.get(1, np.random.default_rng(0))["gt"]
    assert torch.equal(small[:, 5:], small[:, [3, 2, 1, 0]])
    whole = rgb(noise(4, 5, 30))
    assert any(torch.equal(small[:, :5], whole[..., left : left + 9]) for left in range(22))


def test_deep_images_keep_their_depth(root: Path) -> None:
    write_image("deep/d.png", noise(3, dtype=np.uint16))
    gt = still(dataroot_gt="deep")[0]["gt"]
    assert gt.dtype == torch.float32
    torch.testing.assert_close(gt, rgb(noise(3, dtype=np.uint16).astype(np.float32)) / 65535)


def test_alpha_is_refused_by_name_or_dropped(root: Path) -> None:
    clear = np.dstack([noise(3), np.full((8, 8), 128, np.uint8)])
    write_image("alpha/a.png", clear)
    ((_, told),) = still(dataroot_gt="alpha").check()
    assert "a.png: " in told
    assert "alpha" in told
    found = still(dataroot_gt="alpha", alpha="drop")
    assert found.check() == []
    assert torch.equal(found[0]["gt"], rgb(noise(3)))
