"""Data sets of texture removal: items, refusals, and what they are independent of."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.data.base import sample_rng
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.pairs import BlendedPairDataset
from smoothkit.data.store import open_store
from smoothkit.ops.blend import edge_map
from smoothkit.ops.io import encode_image, write_image
from support.pairs import assert_same, noise, smooth


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pairs 0 to 11 of three ground truths, as the blending script lays them out."""
    for b in range(3):
        write_image(tmp_path / "edge" / f"{b}.png", edge_map(smooth(b)))
    for number in range(12):
        pair = np.hstack([smooth(number % 3), noise(number)])
        write_image(tmp_path / "train" / f"{number}.png", pair)
    return tmp_path


def pairs(root: Path, **options: Any) -> BlendedPairDataset:
    options = {"dataroot_edge": str(root / "edge"), "patch_size": 32, **options}
    return BlendedPairDataset(dataroot=str(root / "train"), **options)


def message(dataset: Any) -> str:
    """The fault of the only bad item; reading it gives the same error as checking it."""
    [(index, fault)] = dataset.check()
    with pytest.raises(DataError) as error:
        dataset.get(index, sample_rng(0, 0))
    assert str(error.value) == fault
    return fault


def test_an_item_has_the_stated_keys_shapes_and_ranges(root: Path) -> None:
    item = pairs(root, augment=True).get(4, sample_rng(0, 0))
    assert item["lq_path"] == item["gt_path"] == f"{root}/train/4.png"
    for key in ("lq", "gt"):
        assert (item[key].shape, item[key].dtype) == ((3, 32, 32), torch.float32)
        assert 0 <= item[key].min() < item[key].max() <= 1
    assert (item["edge"].shape, item["edge"].dtype) == ((1, 32, 32), torch.uint8)
    assert set(item["edge"].unique().tolist()) == {0, 1}


def test_pairs_come_in_the_order_of_their_numbers(root: Path) -> None:
    write_image(root / "train" / "extra.png", noise(0, 40, 88))
    names = [Path(path).name for path in _paths(pairs(root, dataroot_edge=None))]
    assert names == [*(f"{number}.png" for number in range(12)), "extra.png"]


def _paths(dataset: Any) -> list[str]:
    return [dataset[index]["gt_path"] for index in range(len(dataset))]


def test_a_whole_pair_is_what_is_on_disk(root: Path) -> None:
    item = pairs(root, patch_size=None).get(5, sample_rng(0, 0))
    np.testing.assert_array_equal(
        (item["gt"] * 255).round(), smooth(2)[..., ::-1].transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(
        (item["lq"] * 255).round(), noise(5)[..., ::-1].transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(item["edge"][0], edge_map(smooth(2)) > 0)
    bgr = pairs(root, patch_size=None, color="bgr").get(5, sample_rng(0, 0))
    assert torch.equal(bgr["lq"], item["lq"].flip(0))


def test_without_edges_there_is_no_edge(root: Path) -> None:
    assert "edge" not in pairs(root, dataroot_edge=None)[0]


@pytest.mark.parametrize("augment", [False, True])
def test_an_item_depends_on_its_generator_alone(root: Path, augment: bool) -> None:
    dataset = pairs(root, augment=augment)
    first = dataset.get(3, sample_rng(1, 2))
    dataset.get(5, sample_rng(9, 9))
    np.random.seed(0)
    assert_same(first, dataset.get(3, sample_rng(1, 2)))
    assert not torch.equal(first["lq"], dataset.get(3, sample_rng(1, 3))["lq"])


def test_an_lmdb_gives_the_same_items(root: Path) -> None:
    for name in ("train", "edge"):
        create_lmdb(open_store(root / name), root / f"{name}.lmdb")
    dataset = BlendedPairDataset(
        dataroot=f"{root}/train.lmdb", dataroot_edge=f"{root}/edge.lmdb", patch_size=32
    )
    assert dataset.check() == []
    for index in range(len(dataset)):
        packed, plain = dataset[index], pairs(root)[index]
        for key in ("lq", "gt", "edge"):
            assert torch.equal(packed[key], plain[key])
    dataset[0]
    assert_same(pickle.loads(pickle.dumps(dataset))[7], dataset[7])


def test_both_orders_of_colour_jitter_can_be_had(root: Path) -> None:
    right = pairs(root, augment=True)[1]
    legacy = pairs(root, augment=True, legacy_color_order=True)[1]
    assert torch.equal(right["edge"], legacy["edge"])
    assert not torch.equal(right["lq"], legacy["lq"])


def test_reflected_corners_are_not_black(root: Path) -> None:
    for number in range(12):
        write_image(root / "train" / f"{number}.png", np.full((40, 88, 3), 200, np.uint8))
    dataset = pairs(root, augment=True, rotation_border="reflect")
    assert all(dataset[index]["gt"].min() == dataset[index]["gt"].max() for index in range(12))


def test_sixteen_bits_keep_their_depth(root: Path) -> None:
    write_image(root / "train" / "0.png", noise(0, 40, 88, np.uint16))
    plain = pairs(root)[0]["lq"] * 65535
    assert torch.equal(plain, plain.round())
    assert plain.unique().numel() > 1000
    assert pairs(root, augment=True)[0]["lq"].unique().numel() > 1000


def test_grey_pairs_are_replicated(root: Path) -> None:
    write_image(root / "train" / "0.png", noise(0, 40, 88)[..., 0])
    assert pairs(root).check() == []
    lq = pairs(root)[0]["lq"]
    assert torch.equal(lq[0], lq[2])


def test_names_with_spaces_dots_and_unicode_work(root: Path) -> None:
    (root / "train").rename(root / "trä in")
    (root / "trä in" / "7.png").rename(root / "trä in" / "7.old ü.png")
    dataset = BlendedPairDataset(f"{root}/edge/../trä in", f"{root}/edge", patch_size=32)
    assert dataset.check() == []
    assert dataset[7]["gt_path"].endswith("/edge/../trä in/7.old ü.png")


def test_a_good_folder_has_no_faults(root: Path) -> None:
    assert pairs(root).check() == []


@pytest.mark.parametrize("option", ["dataroot", "dataroot_edge"])
def test_missing_and_empty_folders_are_named_at_once(root: Path, option: str) -> None:
    with pytest.raises(DataError, match=rf"^{option}: no such folder, got .*/nowhere"):
        BlendedPairDataset(**{"dataroot": f"{root}/train", option: f"{root}/nowhere"})
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=rf"^{option}: no images in .*/empty"):
        BlendedPairDataset(**{"dataroot": f"{root}/train", option: f"{root}/empty"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"rubbish", "is not a PNG"),
        (b"\x89PNG\r\n\x1a\nrubbish", "header of the image is damaged"),
        (
            encode_image(noise(0, 40, 87)),
            "must have an even width, two images side by side, got 87",
        ),
        (encode_image(noise(0, 30, 88)), r"must be at least 32x32 \(patch_size\), got 30x44"),
        (encode_image(np.dstack([noise(0, 40, 88)] * 2)[..., :4]), "has an alpha channel"),
    ],
    ids=["empty", "rubbish", "header", "odd", "small", "alpha"],
)
def test_a_bad_pair_is_found_in_its_header(root: Path, content: bytes, expected: str) -> None:
    (root / "train" / "5.png").write_bytes(content)
    assert re.search(rf"{root}/train/5\.png: .*{expected}", message(pairs(root)))


def test_pixels_that_are_cut_off_are_found_when_read(root: Path) -> None:
    data = encode_image(noise(0, 40, 88))
    (root / "train" / "5.png").write_bytes(data[: len(data) // 2])
    assert pairs(root).check() == []
    with pytest.raises(DataError, match=r"train/5\.png: cannot be decoded"):
        pairs(root)[5]


def test_cmyk_and_alpha_can_be_told_apart_from_colour(root: Path) -> None:
    (root / "train" / "5.png").unlink()
    Image.fromarray(noise(0, 40, 88)).convert("CMYK").save(root / "train" / "5.jpg")
    assert "5.jpg: is a CMYK image" in message(pairs(root))
    (root / "train" / "5.jpg").unlink()
    write_image(root / "train" / "5.png", np.dstack([noise(0, 40, 88)] * 2)[..., :4])
    assert pairs(root, alpha="drop").check() == []
    assert pairs(root, alpha="drop")[5]["lq"].shape == (3, 32, 32)


def test_edges_that_are_missing_or_of_another_size_are_named(root: Path) -> None:
    for number in (2, 4, 5, 7, 8, 10, 11):
        (root / "train" / f"{number}.png").unlink()
    (root / "train" / "6.png").rename(root / "train" / "13.png")
    (root / "train" / "1.png").unlink()
    (root / "edge" / "1.png").unlink()
    assert re.search(r"edge/1\.png: missing; .*train/13\.png belongs to it", message(pairs(root)))
    write_image(root / "edge" / "1.png", np.zeros((41, 44), np.uint8))
    assert re.search(r"edge/1\.png: must have the size .* 40x44, got 41x44", message(pairs(root)))
    (root / "train" / "13.png").rename(root / "train" / "x.png")
    assert re.search(r"train/x\.png: must be named by its number", message(pairs(root)))


def test_small_images_are_mirrored_on_request(root: Path) -> None:
    dataset = pairs(root, patch_size=48, pad="reflect")
    assert dataset.check() == []
    item = dataset[1]
    assert item["lq"].shape == (3, 48, 48)
    assert torch.equal(item["lq"][:, 40:], item["lq"][:, 31:39].flip(1))
    assert torch.equal(item["edge"][:, 40:], item["edge"][:, 31:39].flip(1))
    assert (
        dataset[1]["gt"].shape
        == pairs(root, patch_size=48, pad="reflect", augment=True)[1]["gt"].shape
    )


def test_reference_crops_do_not_need_readable_neighbours(root: Path) -> None:
    dataset = pairs(root, crop="reference_val")
    (root / "train" / "0.png").write_bytes(b"")
    first = dataset[1]["lq"]
    assert torch.equal(first, pairs(root, crop="reference_val")[1]["lq"])
    whole = pairs(root, patch_size=40, crop="reference_val").get(1, sample_rng(0, 0))
    np.testing.assert_array_equal(whole["edge"].shape, (1, 40, 40))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"patch_size": 0}, "patch_size: must be at least 1"),
        ({"patch_size": None, "augment": True}, "augment: whole images cannot be augmented"),
        ({"crop": "reference_val", "augment": True}, "crop: reference_val takes plain crops"),
        ({"augment": {"hue": 0.6}}, "augment: hue: must be between 0 and 0.5, got 0.6"),
        (
            {"augment": {"hew": 0.1}},
            "augment.hew: augment takes no such option. Did you mean 'hue'",
        ),
        ({"augment": {"angle": "x"}}, "augment.angle: must be a whole number, got 'x'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(root: Path, options, expected) -> None:
    with pytest.raises(OptionError, match=expected):
        pairs(root, **options)


def test_a_fault_that_a_constructor_finds_says_where_its_section_stands(root: Path) -> None:
    options = {"type": "BlendedPairDataset", "dataroot": f"{root}/train", "augment": {"hew": 0.1}}
    with pytest.raises(OptionError, match=r"^datasets.train.augment.hew: "):
        DATASET_REGISTRY.build(options, where="datasets.train")


def test_the_published_names_build_the_data_set(root: Path) -> None:
    for name in (f"{phase}Dataset{mode}" for phase in ("Train", "Test") for mode in ("", *"ESF")):
        built = DATASET_REGISTRY.build({"type": name, "dataroot": f"{root}/train"}, where="test")
        assert isinstance(built, BlendedPairDataset)


def test_a_worker_that_loads_a_data_set_loads_no_networks(root: Path) -> None:
    script = (
        "import sys, pickle; pickle.load(open(sys.argv[1], 'rb'))[0];"
        "heavy = ('basicsr', 'torchvision', 'smoothkit.archs', 'smoothkit.models', 'scipy');"
        "sys.exit(str([name for name in heavy if name in sys.modules] or ''))"
    )
    (root / "dataset.pkl").write_bytes(pickle.dumps(pairs(root)))
    done = subprocess.run(
        [sys.executable, "-c", script, root / "dataset.pkl"], stderr=subprocess.PIPE, text=True
    )
    assert done.stderr.strip() == ""
