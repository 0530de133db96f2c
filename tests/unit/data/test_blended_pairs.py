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
from smoothkit.data.online_blend import OnlineBlendDataset, edge_window
from smoothkit.data.pairs import BlendedPairDataset
from smoothkit.data.store import open_store
from smoothkit.data.texture_draws import TextureParams, TextureRanges, apply_texture, sample_texture
from smoothkit.ops.augment import Params
from smoothkit.ops.blend import blend, edge_map, training_pair
from smoothkit.ops.io import encode_image, write_image


def noise(seed: int, height: int = 40, width: int = 44, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


def smooth(seed: int, height: int = 40, width: int = 44) -> np.ndarray:
    """Flat areas with a step between them."""
    image = np.full((height, width, 3), 40 * seed % 200, np.uint8)
    image[:, width // 3 :] += 50
    return image


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


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        same = torch.equal(value, second[key]) if torch.is_tensor(value) else value == second[key]
        assert same, key


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


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for b in range(3):
        write_image(tmp_path / "gt" / f"{b}.png", smooth(b) + noise(b) // 16)
    write_image(tmp_path / "tx" / "a.png", noise(7, 9, 13))
    write_image(tmp_path / "tx" / "b.png", noise(8, 60, 50))
    return tmp_path


def online(root: Path, **options: Any) -> OnlineBlendDataset:
    options = {"patch_size": 32, **options}
    return OnlineBlendDataset(f"{root}/gt", f"{root}/tx", **options)


def test_online_items_are_those_of_the_blending_script(sources: Path) -> None:
    dataset = online(sources, patch_size=None, color="bgr", random_offset=False)
    assert len(dataset) == 6
    gt = smooth(1) + noise(1) // 16
    observation = training_pair(gt, blend(noise(8, 60, 50), gt))[:, 44:]
    item = dataset[4]  # texture 1 over ground truth 1
    assert (Path(item["gt_path"]).name, Path(item["lq_path"]).name) == ("1.png", "b.png")
    np.testing.assert_array_equal((item["gt"] * 255).round(), gt.transpose(2, 0, 1))
    np.testing.assert_array_equal((item["lq"] * 255).round(), observation.transpose(2, 0, 1))
    np.testing.assert_array_equal(item["edge"][0], edge_map(gt) > 0)


@pytest.mark.parametrize("window", [(0, 0), (3, 5), (8, 12)])
def test_a_window_is_that_of_the_whole_blend(window: tuple[int, int]) -> None:
    texture, gt = noise(7, 9, 13), smooth(1) + noise(1) // 8
    grey = (texture @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
    params = Params(32, 32, *window)
    row, col = window
    rolled = np.roll(texture, (-4, -6), axis=(0, 1))
    whole = np.clip(np.rint(blend(rolled, gt)), 0, 255)
    part = apply_texture(grey, gt, TextureParams(4, 6), params)
    assert part.dtype == np.uint8
    assert np.abs(part - whole[row : row + 32, col : col + 32]).max() <= 1  # ties may round apart
    assert np.mean(part != whole[row : row + 32, col : col + 32]) < 0.001
    edges = edge_window(gt, params, "gray")
    np.testing.assert_array_equal(edges, (edge_map(gt, "gray") > 0)[row : row + 32, col : col + 32])


@pytest.mark.parametrize("cache", [False, True])
def test_online_items_depend_on_their_generator_alone(sources: Path, cache: bool) -> None:
    dataset = online(sources, augment=True, cache=cache)
    first = dataset.get(2, sample_rng(1, 2))
    dataset.get(5, sample_rng(9, 9))
    assert_same(first, dataset.get(2, sample_rng(1, 2)))
    assert_same(first, pickle.loads(pickle.dumps(dataset)).get(2, sample_rng(1, 2)))
    assert not torch.equal(first["lq"], dataset.get(2, sample_rng(1, 3))["lq"])


def deviation(grey: np.ndarray, size: int = 12, **params) -> np.ndarray:
    """What a texture adds to a mid-grey ground truth, (size, size, 3)."""
    gt = np.full((size, size, 3), 128, np.uint8)
    whole = Params(size, size, 0, 0)
    return apply_texture(grey, gt, TextureParams(**params), whole).astype(int) - 128


def test_a_quarter_turn_of_a_texture_is_its_transpose_mirrored() -> None:
    grey = np.random.default_rng(0).integers(0, 100, (12, 12)).astype(np.float32)
    # Counter-clockwise about the top left pixel: what lay to its right comes above it.
    turned = np.roll(np.rot90(grey), 1, axis=0)
    np.testing.assert_allclose(deviation(grey, angle=90), deviation(turned), atol=1)


def test_a_texture_at_twice_its_size_repeats_half_as_often() -> None:
    wave = 40 * np.sin(2 * np.pi * np.arange(8) / 8)[None].repeat(8, 0).astype(np.float32)
    large = deviation(wave, 32, scale=2.0)[0, :, 0]
    assert np.argmax(np.abs(np.fft.rfft(large))) == 2
    assert np.argmax(np.abs(np.fft.rfft(deviation(wave, 32)[0, :, 0]))) == 4


def test_gains_scale_the_deviation_of_each_channel() -> None:
    grey = np.random.default_rng(0).integers(0, 40, (6, 6)).astype(np.float32)
    plain, strong = deviation(grey), deviation(grey, gains=(2.0, 1.0, 0.5))
    np.testing.assert_allclose(strong, plain * [2, 1, 0.5], atol=1.5)


def test_draws_of_textures_cover_their_ranges() -> None:
    rng = np.random.default_rng(0)
    ranges = TextureRanges(scale=(0.5, 2), angle=30, strength=(0.8, 1.2), color=0.1)
    draws = [sample_texture(rng, 5, 7, ranges) for _ in range(2000)]
    scales = np.array([d.scale for d in draws])
    assert 0.5 <= scales.min() < 0.51 < 1.96 < scales.max() <= 2
    assert np.median(scales) == pytest.approx(1, abs=0.05)
    assert -30 <= min(d.angle for d in draws) < -29 < 29 < max(d.angle for d in draws) <= 30
    gains = np.array([d.gains for d in draws])
    assert gains.min() == pytest.approx(0.72, abs=0.02)
    assert gains.max() == pytest.approx(1.32, abs=0.02)
    assert {d.row for d in draws} == set(range(5))


def test_texture_options_change_the_observation_alone(sources: Path) -> None:
    plain = online(sources, patch_size=32).get(1, sample_rng(0, 0))
    options = {"scale": [0.5, 2], "angle": 90, "strength": [0.5, 2], "color": 0.3}
    varied = online(sources, patch_size=32, texture=options).get(1, sample_rng(0, 0))
    assert torch.equal(plain["gt"], varied["gt"])
    assert not torch.equal(plain["lq"], varied["lq"])


@pytest.mark.parametrize(
    ("texture", "told"),
    [
        ({"scale": [2, 1]}, "texture: scale: must be two rising numbers above 0, got 2, 1"),
        ({"color": 1}, "texture: color: must be at least 0 and below 1"),
        ({"size": 1}, "texture.size: texture takes no such option"),
        ({"scale": 2}, "texture.scale: must be a list"),
    ],
)
def test_texture_options_out_of_range_are_refused(sources: Path, texture, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        online(sources, texture=texture)


def test_a_pickled_data_set_leaves_its_cache_behind(sources: Path) -> None:
    dataset = online(sources)
    size = len(pickle.dumps(dataset))
    dataset[0]
    assert len(pickle.dumps(dataset)) == size


def test_bad_sources_are_named_for_every_item_that_needs_them(sources: Path) -> None:
    write_image(sources / "gt" / "1.png", smooth(1, 20, 44))
    write_image(sources / "tx" / "b.png", noise(8, 60, 50, np.uint16))
    faults = dict(online(sources).check())
    assert sorted(faults) == [1, 3, 4, 5]
    assert re.search(r"gt/1\.png: must be at least 32x32 .*got 20x44", faults[1])
    assert re.search(r"tx/b\.png: must have 8 bits per channel", faults[3])
    for index, fault in faults.items():
        with pytest.raises(DataError) as error:
            online(sources)[index]
        assert str(error.value) in (fault, faults[3])


def test_online_folders_are_named_by_their_options(sources: Path) -> None:
    with pytest.raises(DataError, match="dataroot_gt: no such folder"):
        OnlineBlendDataset(f"{sources}/x", f"{sources}/tx")
    with pytest.raises(DataError, match="dataroot_texture: no such folder"):
        OnlineBlendDataset(f"{sources}/gt", f"{sources}/x")


def test_online_blending_mirrors_small_ground_truths_and_can_leave_edges_out(
    sources: Path,
) -> None:
    item = online(sources, patch_size=64, pad="reflect", edge=False, augment=True)[3]
    assert item["lq"].shape == (3, 64, 64)
    assert "edge" not in item
