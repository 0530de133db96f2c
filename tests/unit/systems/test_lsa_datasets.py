from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data import build_dataloader, build_dataset
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.lsa.cache import Cache
from smoothkit.systems.lsa.fine_tuning import MoveChances, Moves, moved, sample_moves

SMALL = {"train_size": 32, "crop_size": [24, 40]}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def ramp(height: int, width: int) -> np.ndarray:
    """Alpha, empty on the left and opaque on the right."""
    levels = np.clip(np.arange(width) * 40 - 10 * width, 0, 255).astype(np.uint8)
    return np.repeat(levels[None], height, axis=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (("a", (40, 50)), ("b", (60, 36)), ("c", (9, 7))):
        write_image(tmp_path / f"kappa_fg/{name}.png", noise(*size, seed=ord(name)))
        write_image(tmp_path / f"alpha/{name}.png", ramp(*size))
    for number in range(2):
        write_image(tmp_path / f"coco_bg/{number}.png", noise(30, 45, seed=number))
    return tmp_path


def build(root: Path, **options: Any):
    section = {"type": "MattingCompositionDataset", "dataroot": str(root), **SMALL, **options}
    return build_dataset(section)


def item(dataset: Any, index: int = 0, seed: int = 0) -> dict[str, Any]:
    return dataset.get(index, np.random.default_rng(seed))


def test_an_item_is_made_for_each_background(folder: Path) -> None:
    data = build(folder)
    assert len(data) == 2
    found = [item(data, 1, seed) for seed in range(30)]
    assert {Path(i["fg_path"]).name for i in found} == {"a.png", "b.png", "c.png"}
    assert {i["bg_path"] for i in found} == {str(folder / "coco_bg/1.png")}
    assert all(Path(i["gt_path"]).stem == Path(i["fg_path"]).stem for i in found)
    assert data.check() == []


def test_items_are_floats_between_0_and_1(folder: Path) -> None:
    for seed in range(10):
        made = item(build(folder, preset="official"), 0, seed)
        for key, channels in (("fg", 3), ("bg", 3), ("gt", 1), ("trimap", 1)):
            assert made[key].shape == (channels, 32, 32)
            assert made[key].dtype == torch.float32
            assert made[key].min() >= 0
            assert made[key].max() <= 1
        assert set((made["trimap"] * 255).unique().tolist()) <= {0.0, 128.0, 255.0}
        is_fractional = (made["gt"] > 0) & (made["gt"] < 1)
        assert (made["trimap"][is_fractional] == np.float32(128) / np.float32(255)).all()


def test_the_same_generator_gives_the_same_item(folder: Path) -> None:
    first, second, other = (item(build(folder), 0, seed) for seed in (3, 3, 4))
    assert all(torch.equal(first[key], second[key]) for key in ("fg", "bg", "gt", "trimap"))
    assert not torch.equal(first["bg"], other["bg"])


def test_workers_compose_what_the_device_would(folder: Path) -> None:
    for seed in range(5):
        apart, whole = (item(build(folder, compose=c), 0, seed) for c in ("device", "worker"))
        assert sorted(set(apart) ^ set(whole)) == ["bg", "fg", "image"]
        composed = apart["fg"] * apart["gt"] + apart["bg"] * (1 - apart["gt"])
        assert torch.equal(whole["image"], composed)


def test_items_are_the_same_with_and_without_memory(folder: Path) -> None:
    remembering, forgetful = build(folder), build(folder, cache_mb=0)
    for seed in range(12):
        one, two = (item(data, 0, seed) for data in (remembering, forgetful))
        assert all(torch.equal(one[key], two[key]) for key in ("fg", "bg", "gt", "trimap"))


def test_a_foreground_is_decoded_once_as_long_as_it_is_remembered(folder: Path) -> None:
    for name in ("b", "c"):
        (folder / f"kappa_fg/{name}.png").unlink()
    remembering, forgetful = build(folder), build(folder, cache_mb=0)
    first, _ = item(remembering), item(forgetful)
    (folder / "kappa_fg/a.png").unlink()
    assert torch.equal(item(remembering)["fg"], first["fg"])
    with pytest.raises(DataError, match=r"kappa_fg/a.png: no such file"):
        item(forgetful)


def test_the_images_used_last_are_remembered() -> None:
    cache = Cache(250)
    images = {key: (np.full(100, number, np.uint8),) for number, key in enumerate("abc")}
    cache.put("a", images["a"])
    cache.put("b", images["b"])
    assert cache.get("a") is not None
    cache.put("c", images["c"])
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    cache.put("large", (np.zeros(251, np.uint8),))
    assert cache.get("large") is None
    assert pickle.loads(pickle.dumps(cache)).get("a") is None


def test_batches_do_not_depend_on_workers(folder: Path) -> None:
    section = {"batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
    batches = []
    for workers in (0, 2):
        options = {**section, "num_worker_per_gpu": workers}
        loader = iter(build_dataloader(build(folder), options, num_gpu=0, seed=5))
        batches.append([next(loader)["fg"] for _ in range(3)])
    assert all(torch.equal(one, two) for one, two in zip(*batches, strict=True))
    assert not torch.equal(batches[0][0], batches[0][1])  # another epoch, other draws


def test_data_sets_travel_to_spawned_workers(folder: Path) -> None:
    data = build(folder)
    assert torch.equal(item(pickle.loads(pickle.dumps(data)))["fg"], item(data)["fg"])


def test_without_estimated_foregrounds_the_plain_ones_are_taken(folder: Path, caplog) -> None:
    (folder / "kappa_fg").rename(folder / "fg")
    with caplog.at_level(logging.INFO, logger="smoothkit"):
        data = build(folder)
    assert Path(item(data)["fg_path"]).parent.name == "fg"
    assert "has no kappa_fg, so foregrounds are taken from fg as they are" in caplog.text


def test_each_folder_may_be_given(folder: Path, tmp_path: Path) -> None:
    roots = {"dataroot_fg": "kappa_fg", "dataroot_alpha": "alpha", "dataroot_bg": "coco_bg"}
    given = {key: str(folder / name) for key, name in roots.items()}
    data = build_dataset({"type": "MattingCompositionDataset", **SMALL, **given})
    assert torch.equal(item(data)["fg"], item(build(folder))["fg"])
    del given["dataroot_alpha"]
    with pytest.raises(OptionError, match=r"dataroot_alpha: is missing. Give it, or dataroot"):
        build_dataset({"type": "MattingCompositionDataset", **SMALL, **given})


def test_foregrounds_of_a_test_set_can_be_added(folder: Path) -> None:
    write_image(folder / "test/fg/d.png", noise(40, 50))
    write_image(folder / "test/alpha/d.bmp", ramp(40, 50))
    extra = {"extra_fg": str(folder / "test/fg"), "extra_alpha": str(folder / "test/alpha")}
    data = build(folder, **extra)
    names = {Path(item(data, 0, seed)["fg_path"]).name for seed in range(40)}
    assert names == {"a.png", "b.png", "c.png", "d.png"}
    with pytest.raises(OptionError, match=r"extra_fg: goes with extra_alpha"):
        build(folder, extra_fg=extra["extra_fg"])


def test_any_extension_pairs_with_any(folder: Path) -> None:
    plain = item(build(folder), 0, 1)
    for path in (folder / "alpha").iterdir():
        write_image(path.with_suffix(".tif"), ramp(*_size(path)))
        path.unlink()
    again = item(build(folder), 0, 1)
    assert torch.equal(plain["gt"], again["gt"])


def test_all_foregrounds_without_alpha_are_named(folder: Path) -> None:
    (folder / "alpha/a.png").rename(folder / "alpha/a_1.png")
    (folder / "alpha/c.png").unlink()
    with pytest.raises(DataError, match=r"alpha: has no alpha for 2 of the 3 images of \S*kappa_fg"
                       r": a.png, c.png. Add them, or move these away."):  # fmt: skip
        build(folder)


def test_two_alphas_of_one_name_are_refused(folder: Path) -> None:
    write_image(folder / "alpha/a.jpg", ramp(40, 50))
    with pytest.raises(DataError, match=r"alpha: has both a.jpg and a.png. Move one away."):
        build(folder)


def test_alpha_may_be_stored_in_colour_or_16_bits(folder: Path) -> None:
    plain = [item(build(folder), 0, seed)["gt"] for seed in range(6)]
    for path in (folder / "alpha").iterdir():
        write_image(path, np.dstack([ramp(*_size(path))] * 3))
    colour = [item(build(folder), 0, seed)["gt"] for seed in range(6)]
    for path in (folder / "alpha").iterdir():
        write_image(path, ramp(*_size(path)).astype(np.uint16) * 257)
    deep = [item(build(folder), 0, seed)["gt"] for seed in range(6)]
    assert all(map(torch.equal, plain, colour))
    assert all(map(torch.equal, plain, deep))


def test_a_coloured_alpha_is_refused(folder: Path) -> None:
    for path in (folder / "alpha").iterdir():
        write_image(path, noise(*_size(path)))
    with pytest.raises(DataError, match=r"alpha/\w.png: must be grey, got colours"):
        item(build(folder))


def test_a_transparent_foreground_is_refused_or_loses_its_alpha(folder: Path) -> None:
    path = folder / "kappa_fg/a.png"
    transparent = np.dstack([noise(40, 50, seed=ord("a")), ramp(40, 50)])
    plain = [item(build(folder), 0, seed)["fg"] for seed in range(6)]
    write_image(path, transparent)
    with pytest.raises(DataError, match=r"kappa_fg/a.png: has an alpha channel. Remove it, or set"):
        build(folder).check()
    data = build(folder, alpha="drop")
    assert data.check() == []
    assert all(torch.equal(fg, item(data, 0, seed)["fg"]) for seed, fg in enumerate(plain))


def test_an_alpha_of_another_size_is_named_with_all_others(folder: Path) -> None:
    write_image(folder / "alpha/a.png", ramp(40, 49))
    write_image(folder / "alpha/c.png", ramp(8, 7))
    with pytest.raises(DataError, match=r"a.png: must have the size of \S*kappa_fg/a.png, 40x50, "
                       r"got 40x49. \S*c.png: must"):  # fmt: skip
        build(folder).check()
    with pytest.raises(DataError, match="must have the size of"):
        [item(build(folder), 0, seed) for seed in range(20)]


def test_an_unusable_background_is_found_from_its_header(folder: Path) -> None:
    (folder / "coco_bg/1.png").write_bytes(b"no image")
    ((index, told),) = build(folder).check()
    assert index == 1
    assert told.endswith("coco_bg/1.png: is not a PNG, JPEG, WebP, TIFF or BMP image.")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"crop_size": [800, 480]}, "crop_size: must be two rising sides from 2 on, got 800, 480"),
        ({"train_size": 0}, "train_size: must be 1 or more, got 0"),
        ({"cache_mb": -1}, "cache_mb: must be 0 or more, got -1"),
        ({"alpha_snap": 128}, "alpha_snap: must be at least 0 and below 128, got 128"),
        ({"chances": {"rotate": 1.0}}, "rotate: chances takes no such option"),
        ({"chances": {"rotation": 2.0}}, "rotation: must be between 0 and 1, got 2.0"),
    ],
)
def test_options_out_of_range_are_refused(folder: Path, options, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        build(folder, **options)


def test_chances_can_be_set_one_by_one(folder: Path) -> None:
    still = {"rotation": 0.0, "flip": 0.0, "gamma": 0.0}
    data = build(folder, chances={**still, "inversion": 1.0}, preset="official")
    plain = build(folder, chances={**still, "inversion": 0.0}, preset="official")
    assert torch.equal(item(data)["gt"], item(plain)["gt"])
    assert not torch.equal(item(data)["fg"], item(plain)["fg"])


def _size(alpha: Path) -> tuple[int, int]:
    return {"a": (40, 50), "b": (60, 36), "c": (9, 7)}[alpha.stem]


# Test sets


def trimap(height: int, width: int) -> np.ndarray:
    """Of ``ramp``."""
    alpha = ramp(height, width)
    return np.where(alpha == 0, 0, np.where(alpha == 255, 255, 128)).astype(np.uint8)


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    for name in ("fg_0", "fg_1"):
        write_image(tmp_path / f"merged/{name}.png", noise(12, 40, seed=len(name)))
        write_image(tmp_path / f"trimaps/{name}.png", trimap(12, 40))
        write_image(tmp_path / f"alpha_copy/{name}.png", ramp(12, 40))
    return tmp_path


def open_set(root: Path | None, **options: Any):
    where = {} if root is None else {"dataroot": str(root)}
    return build_dataset({"type": "MattingTestDataset", **where, **options})


def plane(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image)[None] / 255


def test_the_folders_of_the_published_readme_are_understood(merged: Path) -> None:
    data = open_set(merged)
    made = data[1]
    assert torch.equal(made["lq"][0], plane(noise(12, 40, seed=4)[..., 2])[0])
    assert torch.equal(made["trimap"], plane(trimap(12, 40)))
    assert torch.equal(made["gt"], plane(ramp(12, 40)))
    assert [Path(made[k]).parent.name for k in ("lq_path", "trimap_path", "gt_path")] == [
        "merged", "trimaps", "alpha_copy"
    ]  # fmt: skip
    assert len(data) == 2
    assert data.check() == []


def test_alphas_are_optional(merged: Path) -> None:
    for path in (merged / "alpha_copy").iterdir():
        path.unlink()
    (merged / "alpha_copy").rmdir()
    assert sorted(open_set(merged)[0]) == ["lq", "lq_path", "trimap", "trimap_path"]


def test_one_alpha_serves_all_images_of_a_foreground(merged: Path) -> None:
    (merged / "alpha_copy/fg_1.png").unlink()
    write_image(merged / "alpha_copy/fg.jpg", np.full((12, 40), 255, np.uint8))
    data = open_set(merged)
    assert torch.equal(data[0]["gt"], plane(ramp(12, 40)))
    assert Path(data[1]["gt_path"]).name == "fg.jpg"


def test_a_trimap_serves_all_images_of_its_foreground(merged: Path) -> None:
    own = read_image(merged / "trimaps/fg_0.png", mode="gray")
    (merged / "trimaps/fg_1.png").unlink()
    (merged / "trimaps/fg_0.png").rename(merged / "trimaps/fg.png")
    for item in map(open_set(merged).__getitem__, range(2)):
        assert torch.equal((item["trimap"][0] * 255).byte(), torch.from_numpy(own))
    (merged / "trimaps/fg.png").rename(merged / "trimaps/other.png")
    with pytest.raises(DataError, match="trimaps: has no trimap for 2 of the 2 images"):
        open_set(merged)


def test_16_bit_alphas_keep_their_depth(merged: Path) -> None:
    levels = np.arange(12 * 40, dtype=np.uint16).reshape(12, 40) * 100
    write_image(merged / "alpha_copy/fg_0.png", levels)
    write_image(merged / "trimaps/fg_0.png", np.full((12, 40), 128, np.uint8))
    found = open_set(merged)[0]["gt"][0].double().numpy() * 65535
    np.testing.assert_allclose(found, levels, atol=0.01)


@pytest.mark.parametrize("middle", ["input_lowres", "input_training_lowres"])
def test_the_layout_of_alphamatting_is_understood(tmp_path: Path, middle: str) -> None:
    end = middle.removeprefix("input")
    write_image(tmp_path / middle / "GT01.png", noise(12, 40))
    for number in (1, 2, 3):
        levels = np.roll(trimap(12, 40), number, axis=1)
        write_image(tmp_path / f"trimap{end}/Trimap{number}/GT01.png", levels)
    for number in (1, 3):
        data = open_set(tmp_path, layout="alphamatting", trimap_set=number)
        assert torch.equal(data[0]["trimap"], plane(np.roll(trimap(12, 40), number, axis=1)))
        assert "gt" not in data[0]
    write_image(tmp_path / f"gt{end}/GT01.png", ramp(12, 40))
    assert torch.equal(open_set(tmp_path, layout="alphamatting")[0]["gt"], plane(ramp(12, 40)))


def test_test_and_training_images_of_alphamatting_may_lie_together(photographs: Path) -> None:
    write_image(photographs / "input_lowres/doll.png", noise(12, 40))
    write_image(photographs / "trimap_lowres/Trimap1/doll.png", trimap(12, 40))
    found = {
        layout: Path(open_set(photographs, layout=layout)[0]["lq_path"]).name
        for layout in ("alphamatting", "alphamatting_training")
    }
    assert found == {"alphamatting": "doll.png", "alphamatting_training": "GT01.png"}
    assert Path(item(fine_tuning(photographs))["lq_path"]).name == "GT01.png"


def test_other_levels_are_refused_or_snapped(merged: Path) -> None:
    levels = np.where(trimap(12, 40) == 128, 127, trimap(12, 40)).astype(np.uint8)
    write_image(merged / "trimaps/fg_0.png", levels)
    with pytest.raises(DataError, match=r"trimaps/fg_0.png: must have no levels but 0, 128 and"):
        open_set(merged)[0]
    ((index, fault),) = open_set(merged).check()
    assert index == 0
    assert "trimaps/fg_0.png: must have no levels but 0, 128 and 255, got 127 in " in fault
    snapped = open_set(merged, levels="snap")
    assert snapped.check() == []
    assert torch.equal(snapped[0]["trimap"], plane(trimap(12, 40)))


def test_an_inverted_trimap_is_named(merged: Path) -> None:
    levels = np.where(trimap(12, 40) == 128, 128, 255 - trimap(12, 40)).astype(np.uint8)
    write_image(merged / "trimaps/fg_0.png", levels)
    with pytest.raises(DataError, match=r"trimaps/fg_0.png: has foreground and background inter"):
        open_set(merged)[0]


@pytest.mark.parametrize("kind", ["trimaps", "alpha_copy"])
def test_a_file_of_another_size_is_named(merged: Path, kind: str) -> None:
    write_image(merged / kind / "fg_1.png", trimap(12, 41))
    told = rf"{kind}/fg_1.png: must have the size of \S*merged/fg_1.png, 12x40, got 12x41"
    ((index, fault),) = open_set(merged).check()
    assert index == 1
    with pytest.raises(DataError, match=told):
        open_set(merged)[1]
    assert fault.endswith("12x40, got 12x41.")


@pytest.mark.parametrize(("level", "told"), [(128, "unknown pixels only"), (0, "no unknown pixel")])
def test_useless_trimaps_are_taken_with_one_warning(merged, caplog, level, told) -> None:
    for name in ("fg_0", "fg_1"):
        write_image(merged / f"trimaps/{name}.png", np.full((12, 40), level, np.uint8))
        write_image(merged / f"alpha_copy/{name}.png", np.zeros((12, 40), np.uint8))
    data = open_set(merged)
    with caplog.at_level(logging.WARNING, logger="smoothkit"):
        assert all((data[i]["trimap"] * 255 == level).all() for i in (0, 1))
    assert [told in record.getMessage() for record in caplog.records] == [True]


def test_a_test_set_needs_images_and_trimaps() -> None:
    with pytest.raises(OptionError, match=r"dataroot_trimap: is missing. Give it, or dataroot"):
        open_set(None, dataroot_image="x")


# Photographs with given trimaps


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    write_image(tmp_path / "input_training_lowres/GT01.png", noise(20, 40))
    write_image(tmp_path / "gt_training_lowres/GT01.png", ramp(20, 40))
    for number in (1, 2):
        levels = np.where(ramp(20, 40) > 40 * number, 255, 128).astype(np.uint8)
        write_image(tmp_path / f"trimap_training_lowres/Trimap{number}/GT01.png", levels)
    return tmp_path


def fine_tuning(root: Path, **options: Any):
    return build_dataset({"type": "MattingTrimapDataset", "dataroot": str(root), **options})


def test_one_of_the_trimaps_is_drawn(photographs: Path) -> None:
    data = fine_tuning(photographs)
    found = [item(data, 0, seed)["trimap_path"] for seed in range(40)]
    names = [Path(path).parent.name for path in found]
    assert names.count("Trimap1") in range(10, 31)
    assert set(names) == {"Trimap1", "Trimap2"}
    assert data.check() == []


def test_photographs_are_mirrored_to_multiples_of_64(photographs: Path) -> None:
    still = {"hflip": 0.0, "vflip": 0.0, "transpose": 0.0, "inversion": 0.0, "permutation": 0.0}
    made = item(fine_tuning(photographs, chances=still))
    assert [tuple(made[k].shape) for k in ("image", "trimap", "gt")] == [
        (3, 64, 64), (1, 64, 64), (1, 64, 64)
    ]  # fmt: skip
    for key in ("image", "gt"):
        assert torch.equal(made[key][:, 20], made[key][:, 18])  # the edge is not repeated
    assert torch.equal(made["gt"][:, :20, :40], plane(ramp(20, 40)))


def test_all_planes_move_together(photographs: Path) -> None:
    data = fine_tuning(photographs)
    for seed in range(20):
        made = item(data, 0, seed)
        least = 40 if "Trimap1" in made["trimap_path"] else 80
        expected = torch.where(made["gt"] * 255 > least + 0.5, 255, 128)
        assert torch.equal((made["trimap"] * 255).round().int(), expected.int())


def test_moves_are_applied_as_drawn() -> None:
    image = noise(2, 3)
    np.testing.assert_array_equal(moved(image, Moves(hflip=True)), image[:, ::-1])
    np.testing.assert_array_equal(moved(image, Moves(vflip=True)), image[::-1])
    np.testing.assert_array_equal(moved(image, Moves(transpose=True)), image.transpose(1, 0, 2))
    np.testing.assert_array_equal(moved(image, Moves(inversion=True)), 255 - image)
    permuted = moved(image, Moves(permutation=(2, 0, 1)))
    np.testing.assert_array_equal(permuted[..., 0], image[..., 2])
    np.testing.assert_array_equal(moved(image[..., 0], Moves(inversion=True)), image[..., 0])


def test_moves_are_as_frequent_as_published() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_moves(rng, MoveChances()) for _ in range(1000)]
    for name, chance in (("hflip", 0.5), ("vflip", 0.5), ("transpose", 0.5), ("inversion", 0.2)):
        assert np.mean([getattr(d, name) for d in drawn]) == pytest.approx(chance, abs=0.06)
    # one permutation in six leaves the order
    changed = np.mean([d.permutation != (0, 1, 2) for d in drawn])
    assert changed == pytest.approx(0.2 * 5 / 6, abs=0.05)


def test_fine_tuning_needs_alphas(photographs: Path) -> None:
    (photographs / "gt_training_lowres").rename(photographs / "elsewhere")
    with pytest.raises(OptionError, match=r"dataroot_alpha: is missing: there is nothing to learn"):
        fine_tuning(photographs)
    given = fine_tuning(photographs, dataroot_alpha=str(photographs / "elsewhere"))
    assert "gt" in item(given)
