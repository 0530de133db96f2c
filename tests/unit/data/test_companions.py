"""Masks and over-smoothed images beside blended pairs: items, alignment, refusals."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data import companion_kinds
from smoothkit.data.base import ImageDataset, sample_rng
from smoothkit.data.companions import named_companions
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.online_blend import OnlineBlendDataset
from smoothkit.data.pairs import BlendedPairDataset
from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image
from smoothkit.ops.labels import encode_labels, voc_palette

CLASSES = np.array([0, 7, 15, 20, 255], np.uint8)
MOVES = {"hue": 0, "contrast": 0, "brightness": 0}
FULL = [True, {"recipe": "csgis"}, {"recipe": "csgis", "size": 0.25}]

Make = Callable[..., ImageDataset]


def classes(seed: int, height: int = 40, width: int = 44) -> np.ndarray:
    return np.random.default_rng(seed).choice(CLASSES, (height, width))


def painted(labels: np.ndarray) -> np.ndarray:
    """A ground truth whose blue levels are the classes, BGR."""
    return np.dstack([labels, 255 - labels, labels // 2])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pairs and two textures of three ground truths with masks and over-smoothed images."""
    (tmp_path / "seg").mkdir()
    for b in range(3):
        truth = painted(classes(b))
        write_image(tmp_path / "gt" / f"{b}.png", truth)
        write_image(tmp_path / "over" / f"{b}.png", truth)
        (tmp_path / "seg" / f"{b}.png").write_bytes(encode_labels(classes(b)))
    for number in range(6):
        truth = painted(classes(number % 3))
        write_image(tmp_path / "train" / f"{number}.png", np.hstack([truth, truth[::-1]]))
    for t in range(2):
        write_image(tmp_path / "tx" / f"{t}.png", painted(classes(9 + t, 9, 13)))
    return tmp_path


def pairs(root: Path, **options: Any) -> BlendedPairDataset:
    return BlendedPairDataset(str(root / "train"), **with_companions(root, options))


def online(root: Path, **options: Any) -> OnlineBlendDataset:
    return OnlineBlendDataset(f"{root}/gt", f"{root}/tx", **with_companions(root, options))


def with_companions(root: Path, options: dict[str, Any]) -> dict[str, Any]:
    roots = {"dataroot_segmentation": f"{root}/seg", "dataroot_over": f"{root}/over"}
    return {"patch_size": 32, **roots, **options}


both = pytest.mark.parametrize("make", [pairs, online])


def levels(image: torch.Tensor) -> np.ndarray:
    return np.rint(image.numpy() * 255).astype(int)


@both
@pytest.mark.parametrize("augment", [False, *FULL])
def test_an_item_has_a_mask_and_an_over_smoothed_image(root: Path, make: Make, augment) -> None:
    item = make(root, augment=augment).get(4, sample_rng(0, 0))
    assert (item["segmentation"].shape, item["segmentation"].dtype) == ((32, 32), torch.uint8)
    assert set(item["segmentation"].unique().tolist()) <= {*CLASSES.tolist()}
    assert (item["over"].shape, item["over"].dtype) == ((3, 32, 32), torch.float32)


@both
@pytest.mark.parametrize("augment", [False, *FULL])
@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_an_over_smoothed_image_is_changed_as_its_ground_truth(
    root: Path, make: Make, augment, color
) -> None:
    dataset = make(root, augment=augment, color=color)
    for index in range(6):  # both have the same pixels on disk
        item = dataset.get(index, sample_rng(0, index))
        assert torch.equal(item["over"], item["gt"])


@both
@pytest.mark.parametrize("border", ["zero", "reflect"])
def test_a_mask_moves_with_its_ground_truth(root: Path, make: Make, border) -> None:
    augment = {"recipe": "csgis", **MOVES, "quarters": True}
    dataset = make(root, augment=augment, rotation_border=border)
    for index in range(6):
        item = dataset.get(index, sample_rng(1, index))
        np.testing.assert_array_equal(item["segmentation"], levels(item["gt"])[2])


@both
def test_whole_images_come_with_whole_companions(root: Path, make: Make) -> None:
    item = make(root, patch_size=None)[4]
    np.testing.assert_array_equal(item["segmentation"], classes(1))
    assert torch.equal(item["over"], item["gt"])
    item["segmentation"].fill_(3)  # an item owns what it holds
    np.testing.assert_array_equal(make(root, patch_size=None)[4]["segmentation"], classes(1))


@both
def test_small_images_are_mirrored_with_their_companions(root: Path, make: Make) -> None:
    item = make(root, patch_size=48, pad="reflect")[4]
    np.testing.assert_array_equal(item["segmentation"], levels(item["gt"])[2])
    assert torch.equal(item["over"], item["gt"])


@both
@pytest.mark.parametrize("augment", FULL)
def test_the_legacy_negative_is_cropped_alone(root: Path, make: Make, augment) -> None:
    aligned, legacy = (
        make(root, augment=augment, legacy_unaligned_negative=is_legacy).get(4, sample_rng(3, 0))
        for is_legacy in (False, True)
    )
    for key in ("lq", "gt", "segmentation"):
        assert torch.equal(aligned[key], legacy[key])
    assert not torch.equal(aligned["over"], legacy["over"])
    if augment == {"recipe": "csgis"}:
        truth = painted(classes(1))[..., ::-1].transpose(2, 0, 1)
        windows = np.lib.stride_tricks.sliding_window_view(truth, (3, 32, 32))
        assert (windows == levels(legacy["over"])).all(axis=(-1, -2, -3)).any()


def test_fixed_crops_of_validation_hold_for_companions(root: Path) -> None:
    dataset = pairs(root, crop="reference_val")
    item = dataset.get(4, sample_rng(0, 0))
    np.testing.assert_array_equal(item["segmentation"], levels(item["gt"])[2])
    assert torch.equal(item["over"], dataset.get(4, sample_rng(5, 5))["over"])


def test_companions_of_16_bit_pairs_may_have_16_bits(root: Path) -> None:
    deep = painted(classes(1)).astype(np.uint16) * 257 - (painted(classes(1)) > 0)
    write_image(root / "over" / "1.png", deep)
    write_image(root / "train" / "4.png", np.hstack([deep, deep]))
    item = pairs(root, augment={"recipe": "csgis"}).get(4, sample_rng(0, 0))
    assert torch.equal(item["over"], item["gt"])
    assert (item["over"] * 255 != (item["over"] * 255).round()).any()


def test_an_lmdb_of_masks_gives_the_same_items(root: Path) -> None:
    for folder, encoding in (("seg", "keep"), ("over", "png")):
        create_lmdb(open_store(root / folder), root / f"{folder}.lmdb", encoding=encoding)
    lmdb = pairs(root, dataroot_segmentation=f"{root}/seg.lmdb", dataroot_over=f"{root}/over.lmdb")
    assert lmdb.check() == []
    for key in ("segmentation", "over"):
        assert torch.equal(lmdb[4][key], pairs(root)[4][key])


def test_masks_in_colours_are_decoded(root: Path) -> None:
    colored = Image.fromarray(voc_palette()[classes(1)])
    colored.save(root / "seg" / "1.png")
    np.testing.assert_array_equal(pairs(root, patch_size=None)[1]["segmentation"], classes(1))


def test_companions_of_ground_truths_may_be_of_another_format(root: Path) -> None:
    (root / "over" / "1.png").unlink()
    write_image(root / "over" / "1.bmp", painted(classes(1)))
    item = online(root)[1]
    assert torch.equal(item["over"], item["gt"])


def spoil_missing(root: Path) -> str:
    (root / "over" / "1.png").unlink()
    return r"over/1\.png: missing; .*[14]\.png belongs to it"


def spoil_size(root: Path) -> str:
    write_image(root / "over" / "1.png", painted(classes(1, 40, 43)))
    return r"over/1\.png: must have the size of the ground truth, 40x44, got 40x43"


def spoil_alpha(root: Path) -> str:
    write_image(root / "over" / "1.png", np.dstack([painted(classes(1)), classes(1)]))
    return r"over/1\.png: has an alpha channel"


def spoil_depth(root: Path) -> str:
    (root / "over" / "1.png").unlink()
    deep = Image.fromarray(classes(1).astype(np.float32))
    deep.save(root / "over" / "1.tif")
    return r"over/1\.tif: must have 8 or 16 bits per channel"


def spoil_mask_size(root: Path) -> str:
    (root / "seg" / "1.png").write_bytes(encode_labels(classes(1, 44, 40)))
    return r"seg/1\.png: must have the size of the ground truth, 40x44, got 44x40"


def spoil_class(root: Path) -> str:
    labels = classes(1)
    labels[3, 4] = 21
    (root / "seg" / "1.png").write_bytes(encode_labels(labels))
    return r"seg/1\.png: holds the value 21 at row 3, column 4"


def spoil_pixels(root: Path) -> str:
    data = encode_labels(classes(1))
    (root / "seg" / "1.png").write_bytes(data[: len(data) - 100])
    return r"seg/1\.png: cannot be decoded; the file is damaged"


SPOILERS = [value for name, value in list(globals().items()) if name.startswith("spoil_")]


@both
@pytest.mark.parametrize("spoil", SPOILERS)
def test_bad_companions_are_named_at_the_start(root: Path, make: Make, spoil) -> None:
    expected = spoil(root)
    dataset = make(root)
    faults = dataset.check()
    assert [index for index, _ in faults] == [1, 4]
    for index, fault in faults:
        assert re.search(expected, fault)
        with pytest.raises(DataError) as error:
            dataset[index]
        assert str(error.value) == fault


@pytest.mark.parametrize("folder", ["seg", "over"])
def test_a_last_companion_that_is_missing_shifts_no_pair(root: Path, folder: str) -> None:
    (root / folder / "2.png").unlink()
    faults = pairs(root).check()
    assert [index for index, _ in faults] == [2, 5]
    assert re.search(rf"{folder}/2\.png: missing; .*train/5\.png belongs to it", faults[1][1])


@both
def test_a_check_decodes_each_mask_once(root: Path, make: Make, monkeypatch) -> None:
    names: list[str] = []
    decode = companion_kinds.decode_labels
    monkeypatch.setattr(
        companion_kinds,
        "decode_labels",
        lambda data, name, *rest: names.append(name) or decode(data, name, *rest),
    )
    spoil_class(root)
    assert len(make(root).check()) == 2
    assert sorted(names) == [f"{root}/seg/{b}.png" for b in range(3)]


@both
def test_more_classes_can_be_asked_for(root: Path, make: Make) -> None:
    spoil_class(root)
    assert make(root, num_classes=22).check() == []
    with pytest.raises(OptionError, match="num_classes: must be between 1 and 255, got 0"):
        make(root, num_classes=0)


@both
@pytest.mark.parametrize("option", ["dataroot_segmentation", "dataroot_over"])
def test_missing_folders_are_named_by_their_options(root: Path, make: Make, option: str) -> None:
    with pytest.raises(DataError, match=rf"^{option}: no such folder, got .*/nowhere"):
        make(root, **{option: f"{root}/nowhere"})
    assert option.removeprefix("dataroot_") not in make(root, **{option: None})[0]


def test_decoded_companions_are_kept_but_not_sent_to_workers(root: Path) -> None:
    dataset = online(root)
    size = len(pickle.dumps(dataset))
    first = dataset[1]
    assert len(pickle.dumps(dataset)) == size
    for folder in ("seg", "over"):
        (root / folder / "1.png").write_bytes(b"")
    assert torch.equal(dataset[1]["over"], first["over"])
    assert torch.equal(dataset[1]["segmentation"], first["segmentation"])
    with pytest.raises(DataError, match=r"seg/1\.png: the file is empty"):
        online(root, cache=False)[1]


@pytest.mark.parametrize(("object_", "is_told"), [(255, True), (1, False)])
def test_masks_without_objects_are_told_after_a_check(tmp_path, caplog, object_, is_told):
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = object_
    write_image(tmp_path / "0.png", mask)
    roots = {"segmentation": (str(tmp_path), companion_kinds.Masks(2))}
    companions = named_companions(roots, is_cached=False)["segmentation"]
    companions.checker()("0.png", (8, 8))
    companions.tell_doubts()
    assert ("no mask holds a class but 0" in caplog.text) is is_told
