from __future__ import annotations

from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from smoothkit.core.errors import DataError
from smoothkit.data import build_dataset
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image
from support.hggt import by_all, write_labels, write_pictures
from support.oracle import Case

CASE = Case("hggt_posneg_sr", "labels_datasets")
P, S, N = "Positive", "Similar", "Negative"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hggt")
    for name, given in CASE.meta["groups"].items():
        write_labels(root / "labels", name, given)
        write_pictures(root / "images", name, CASE[f"src_bgr/{name}"])
    return root


def build(root: Path, **options: Any):
    roots = {"dataroot_gt": str(root / "images"), "dataroot_labels": str(root / "labels")}
    return build_dataset({"type": "HggtDataset", "use_hflip": False, **roots, **options})


def rgb(name: str, version: int) -> torch.Tensor:
    return torch.from_numpy(CASE[f"src_bgr/{name}"][version][..., ::-1].transpose(2, 0, 1).copy())


def draws(data: Any, index: int, count: int = 60) -> list[dict[str, Any]]:
    return [data.get(index, np.random.default_rng(seed)) for seed in range(count)]


def version_of(name: str, image: torch.Tensor) -> int:
    return next(v for v in range(5) if torch.equal(rgb(name, v), image))


def test_originals_are_all_there(folder: Path) -> None:
    data = build(folder, use="original")
    assert len(data) == 5
    assert torch.equal(data[1]["gt"], rgb("0002-8-8", 0))
    assert sorted(data[1]) == ["gt", "gt_path"]


@pytest.mark.parametrize(
    ("name", "use"),
    [("PosNegGTOriDataset", "original"), ("PosNegGTPosDataset", "positive"),
     ("TwoStageDegradation_PosNegGTPos_Dataset", "positive"),
     ("PosNegGTPosNeg_Dataset", "positive_negative")],
)  # fmt: skip
def test_published_names_stand_for_their_use(folder: Path, name: str, use: str) -> None:
    ours, theirs = (build(folder, type=kind, **o) for kind, o in
                    (("HggtDataset", {"use": use}), (name, {})))  # fmt: skip
    assert len(ours) == len(theirs)
    assert ours[0].keys() == theirs[0].keys()


def test_positives_are_drawn_evenly(folder: Path) -> None:
    data, name = build(folder, use="positive"), "0004-5-5"  # 03 and 04 are positive
    items = draws(data, 1)
    found = Counter(version_of(name, item["gt"]) for item in items)
    assert set(found) == {3, 4}
    assert min(found.values()) > 15
    assert all(torch.equal(item["original"], rgb(name, 0)) for item in items)


def test_a_negative_comes_with_a_positive_of_its_own(folder: Path) -> None:
    data, name = build(folder), "0001-0-0"  # 01 positive by 3, 03 negative by 3
    for item in draws(data, 0, 5):
        assert version_of(name, item["negative"]) == 3
        assert version_of(name, item["positive"]) == version_of(name, item["gt"]) == 1
        assert (item["negative_votes"], item["positive_votes"]) == (3, 3)


def test_without_a_positive_the_original_is_the_target(folder: Path) -> None:
    item, name = build(folder)[1], "0003-1-2"  # 01 negative by 2, no positive
    assert version_of(name, item["gt"]) == version_of(name, item["positive"]) == 0
    assert version_of(name, item["negative"]) == 1
    assert (item["negative_votes"], item["positive_votes"]) == (2, 3)


def test_without_a_negative_nobody_voted_for_one(folder: Path) -> None:
    item = build(folder)[2]
    assert item["negative_votes"] == 0
    assert default_collate([item, build(folder)[0]])["negative_votes"].tolist() == [0, 3]


def test_only_what_an_item_needs_is_decoded(folder: Path, monkeypatch) -> None:
    data = build(folder, use="positive")
    store, names = data._pictures._store, []
    read = store.read
    monkeypatch.setattr(store, "read", lambda n, **o: names.append(n) or read(n, **o))
    data[0]
    assert names == ["01/0001-0-0_01.png", "original/0001-0-0.png"]


def test_all_images_of_an_item_move_alike(folder: Path) -> None:
    data = build(folder, use_hflip=True, use_rot=True, crop_size=16)
    seen = set()
    for item in draws(data, 0, 80):
        assert item["gt"].shape == (3, 16, 16)
        whole = [rgb("0001-0-0", v).numpy().transpose(1, 2, 0) for v in (0, 3)]
        moves = [
            (turn, flip, top, left)
            for turn in (False, True)
            for flip in (None, 0, 1, -1)
            for top in range(9)
            for left in range(9)
            if matches(whole[0], item["original"], turn, flip, top, left)
        ]
        assert len(moves) == 1
        assert matches(whole[1], item["negative"], *moves[0])
        seen.add(moves[0][:2])
    assert len(seen) == 8


def test_colours_of_an_item_change_places_alike(folder: Path) -> None:
    data = build(folder, permute_colors=True)
    orders = set()
    for item in draws(data, 0, 40):
        (order,) = [
            p
            for p in permutations(range(3))
            if torch.equal(rgb("0001-0-0", 0)[list(p)], item["original"])
        ]
        assert torch.equal(rgb("0001-0-0", 3)[list(order)], item["negative"])
        orders.add(order)
    assert len(orders) == 6


def matches(whole: np.ndarray, found: torch.Tensor, turn, flip, top: int, left: int) -> bool:
    part = whole[top : top + 16, left : left + 16]
    part = part if flip is None else cv2.flip(part, flip)
    part = part.swapaxes(0, 1) if turn else part
    return np.array_equal(part, found.numpy().transpose(1, 2, 0))


def test_16_bits_come_as_floats(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((8, 8, 3), 1000, np.uint16))
    data = build_dataset({"type": "GroundTruthDataset", "dataroot_gt": str(tmp_path)})
    assert data[0]["gt"].dtype == torch.float32
    assert data[0]["gt"].max().item() == pytest.approx(1000 / 65535)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        write_labels(tmp_path / "labels", name, by_all([P, N, S, S]))
        images = [np.full((8, 8, 3), 40 * v, np.uint8) for v in range(5)]
        write_pictures(tmp_path / "images", name, images)
    return tmp_path


def test_faults_are_found_from_headers(small: Path) -> None:
    write_image(small / "images/02/a_02.png", np.zeros((8, 7, 3), np.uint8))
    (small / "images/03/b_03.png").unlink()
    told = dict(build(small).check())
    assert told[0].endswith("a_02.png: must have the size of the others of its set, 8x8, got 8x7.")
    assert told[1].endswith("03/b_03.png: missing, though it has labels.")
    with pytest.raises(DataError, match=r"a_02.png: must have the size of the others"):
        build(small)[0]


def test_whole_images_need_one_size(small: Path) -> None:
    write_pictures(small / "images", "b", [np.zeros((9, 9, 3), np.uint8)] * 5)
    ((index, told),) = build(small).check()
    assert index == 1
    assert "has 9x9 pixels, " in told
    assert told.endswith("Whole images of a batch need one size: set crop_size.")
    assert build(small, crop_size=8).check() == []
    assert len(build(small, crop_size=9).check()) == 1


def test_a_folder_called_original_in_capitals_is_found(small: Path) -> None:
    (small / "images/original").rename(small / "images/Original")
    assert build(small).check() == []


def test_no_set_left_is_refused(small: Path) -> None:
    for name in ("a", "b"):
        write_labels(small / "labels", name, by_all([S] * 4))
    with pytest.raises(DataError, match=r"no set of .*labels has a negative or positive picture"):
        build(small)


@pytest.mark.parametrize("encoding", ["png", "bmp"])
def test_an_lmdb_gives_the_items_of_its_folder(folder: Path, tmp_path: Path, encoding) -> None:
    source = open_store(str(folder / "images"), is_recursive=True)
    packed = tmp_path / "images.lmdb"
    create_lmdb(source, packed, encoding=encoding)
    here, there = build(folder), build(folder, dataroot_gt=str(packed))
    assert len(here) == len(there)
    assert there.check() == []
    for index in range(len(here)):
        ours, theirs = (data.get(index, np.random.default_rng(index)) for data in (here, there))
        assert all(torch.equal(ours[key], theirs[key]) for key in ("gt", "original", "negative"))


@pytest.fixture
def pairs(small: Path) -> Path:
    """``a`` has a positive picture, ``b`` has none; low-quality images tell columns from rows."""
    write_labels(small / "labels", "b", by_all([S, N, S, S]))
    for name in ("a", "b"):
        lq = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
        write_image(small / f"lq/original/{name}.png", lq)
        write_image(small / f"images/original/{name}.png", lq.repeat(2, 0).repeat(2, 1))
    return small


def build_pairs(root: Path, **options: Any):
    roots = {"dataroot_gt": str(root / "images"), "dataroot_lq": str(root / "lq")}
    labels = {"dataroot_labels": str(root / "labels")}
    return build_dataset({"type": "PairedLabeledImageDataset", **roots, **labels, **options})


def test_labelled_pairs_are_cut_and_moved_alike(pairs: Path) -> None:
    assert len(build_pairs(pairs, only_positive=False)) == 2
    data = build_pairs(pairs, use_hflip=True, use_rot=True, gt_size=4)
    assert len(data) == 1
    assert data.check() == []
    for item in draws(data, 0, 20):
        assert item["lq"].shape == (3, 2, 2)
        assert torch.equal(item["gt"], item["lq"].repeat_interleave(2, 1).repeat_interleave(2, 2))
        assert Path(item["lq_path"]) == pairs / "lq/original/a.png"


@pytest.mark.parametrize(
    ("size", "options", "told"),
    [
        ((3, 4), {}, "a.png: has 8x8 pixels, which is no whole multiple of 3x4, the size of "),
        ((4, 4), {"gt_size": 3}, r"cannot be cut to gt_size \(3\), which must be a multiple of "),
        ((4, 4), {"gt_size": 12}, r"scale \(2\) and at most the sides, 8x8"),
        (None, {}, "original/a.png: missing, though it has labels"),
    ],
)
def test_labelled_pairs_with_faults_are_named(pairs: Path, size, options, told) -> None:
    path = pairs / "lq/original/a.png"
    if size is None:
        path.unlink()
    else:
        write_image(path, np.zeros((*size, 3), np.uint8))
    data = build_pairs(pairs, **options)
    with pytest.raises(DataError, match=told):
        data[0]
    assert len(data.check()) == 1
