from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError, OptionError
from smoothkit.data.prepare.blending import blend_folder, image_files
from smoothkit.data.prepare.filtering import make_smooth_gt
from smoothkit.data.prepare.numbering import read_map
from smoothkit.data.prepare.splitting import split_val
from smoothkit.data.provenance import NOTE
from smoothkit.ops.blend import blend, edge_map, training_pair
from smoothkit.ops.filters import l0
from smoothkit.ops.io import read_image, to_float, to_uint8, write_image


def write_images(folder: Path, *names: str, size: tuple[int, int] = (12, 10)) -> list[np.ndarray]:
    """Random images, others for each name; returns them in the order of the names."""
    images = []
    for name in names:
        rng = np.random.default_rng(list(name.encode()))
        images.append(rng.integers(0, 256, (*size, 3)).astype(np.uint8))
        write_image(folder / name, images[-1])
    return images


def numbered(folder: Path, count: int) -> list[str]:
    write_images(folder, *(f"{i}.png" for i in range(count)), size=(2, 2))
    return sorted(f"{i}.png" for i in range(count))


def names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.fixture
def blended(tmp_path: Path) -> Path:
    write_images(tmp_path / "tx", "wood.png", "Brick.png")
    write_images(tmp_path / "gt", "b.2.png", "a.png", "ü.png")
    blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != NOTE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_workers_and_shards_make_the_same_files(blended: Path) -> None:
    whole = contents(blended / "out")
    for shard in ((3, 3), (1, 3), (2, 3)):
        blend_folder(blended / "tx", blended / "gt", blended / "parts", workers=1, shard=shard)
    assert contents(blended / "parts") == whole


def test_a_shard_makes_its_ground_truths_only(blended: Path) -> None:
    out = blended / "part"
    assert blend_folder(blended / "tx", blended / "gt", out, shard=(2, 2)) == 2
    assert names(sorted((out / "train").iterdir())) == ["1.png", "4.png"]


def test_pairs_are_numbered_by_texture_then_ground_truth_in_name_order(blended: Path) -> None:
    brick, wood = (read_image(blended / "tx" / n) for n in ("Brick.png", "wood.png"))
    for b, name in enumerate(("a.png", "b.2.png", "ü.png")):
        gt = read_image(blended / "gt" / name)
        for t, texture in enumerate((brick, wood)):
            pair = read_image(blended / "out" / "train" / f"{3 * t + b}.png")
            np.testing.assert_array_equal(pair, training_pair(gt, blend(texture, gt)))
        edge = read_image(blended / "out" / "edge" / f"{b}.png", mode="unchanged")
        np.testing.assert_array_equal(edge, edge_map(gt))
    assert len(list((blended / "out" / "train").iterdir())) == 6
    assert (blended / "out" / "map.txt").read_text("utf-8") == "a,0\nb,1\nü,2\n"


def test_edge_channel_is_passed_on(tmp_path: Path) -> None:
    write_images(tmp_path / "tx", "t.png")
    (gt,) = write_images(tmp_path / "gt", "g.png")
    blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out", edge_channel="gray")
    edge = read_image(tmp_path / "out" / "edge" / "0.png", mode="gray")
    np.testing.assert_array_equal(edge, edge_map(gt, "gray"))


def test_second_run_makes_only_what_is_missing_or_cut_off(blended: Path) -> None:
    train = blended / "out" / "train"
    whole = {path.name: path.read_bytes() for path in train.iterdir()}
    (train / "1.png").unlink()
    (train / "4.png").write_bytes(whole["4.png"][:-20])
    untouched = (train / "0.png").stat().st_mtime_ns
    assert blend_folder(blended / "tx", blended / "gt", blended / "out") == 2
    assert {path.name: path.read_bytes() for path in train.iterdir()} == whole
    assert (train / "0.png").stat().st_mtime_ns == untouched


def test_pairs_moved_to_validation_are_not_made_again(blended: Path) -> None:
    out = blended / "out"
    moved = split_val(out / "train", out / "val", fraction=0.5)
    assert blend_folder(blended / "tx", blended / "gt", out) == 0
    assert len(moved) == len(list((out / "train").iterdir())) == 3


def reblended(root: Path, **options) -> int:
    """Blends again, and compares with what is blended into an empty folder."""
    count = blend_folder(root / "tx", root / "gt", root / "out", **options)
    blend_folder(root / "tx", root / "gt", root / "fresh", **options)
    assert contents(root / "out") == contents(root / "fresh")
    return count


@pytest.mark.parametrize(
    ("changed", "anew", "told"),
    [
        ("tx/wood.png", 3, "3 results are made anew; what changed: texture wood.png."),
        ("gt/a.png", 2, "3 results are made anew; what changed: ground truth a.png."),
        (
            "gt/new.png",
            6,
            "2 results are made anew; what changed: ground truth ü.png, now new.png.",
        ),
    ],
)
def test_pairs_of_other_images_are_made_anew_and_that_is_told(
    blended: Path, caplog, changed: str, anew: int, told: str
) -> None:
    caplog.set_level("INFO")
    write_image(blended / changed, np.zeros((12, 10, 3), np.uint8))
    assert reblended(blended) == anew
    assert told in caplog.text


def test_another_edge_channel_makes_the_edges_anew(blended: Path, caplog) -> None:
    caplog.set_level("INFO")
    assert reblended(blended, edge_channel="gray") == 0
    told = "out: 3 results are made anew; what changed: settings (edge_channel blue, now gray)."
    assert told in caplog.text


def test_pairs_of_a_smaller_set_are_removed_and_that_is_told(blended: Path, caplog) -> None:
    caplog.set_level("INFO")
    split_val(blended / "out/train", blended / "out/val", fraction=0.5)
    (blended / "tx/wood.png").unlink()
    count = blend_folder(blended / "tx", blended / "gt", blended / "out")
    assert count == 0
    left = contents(blended / "out")
    assert sorted(name.rpartition("/")[2] for name in left if name[0] in "tv") == [
        "0.png",
        "1.png",
        "2.png",
    ]
    told = "out: 3 images are removed; an earlier run made what these images and settings do not."
    assert told in caplog.text


@pytest.mark.parametrize("name", ["train/own.png", "val/99.png", "edge/3.jpg"])
def test_images_among_the_results_that_no_note_tells_of_are_refused(
    blended: Path, caplog, name: str
) -> None:
    (own,) = write_images(blended / "out", name)
    before = contents(blended / "out")
    write_image(blended / "tx/wood.png", own)
    with pytest.raises(DataError, match=rf"out/{name}: is there already, and no note .* Move it"):
        blend_folder(blended / "tx", blended / "gt", blended / "out")
    assert contents(blended / "out") == before
    assert blend_folder(blended / "tx", blended / "gt", blended / "out", overwrite=True) == 6
    assert contents(blended / "out")[name] == before[name]
    assert f"out/{name}: no part of this data set, and left there." in caplog.text


@pytest.mark.parametrize("name", ["train/3.png", "edge/1.png", "map.txt"])
def test_results_that_no_note_tells_of_are_replaced_on_demand_only(
    blended: Path, name: str
) -> None:
    out, whole = blended / "out", contents(blended / "out")
    mine = b"b,0" if name == "map.txt" else whole["train/0.png"]
    (out / name).write_bytes(mine)
    with pytest.raises(DataError, match=rf"out/{name}: is there already, .* or --overwrite to rep"):
        blend_folder(blended / "tx", blended / "gt", out)
    assert contents(out) == {**whole, name: mine}
    assert blend_folder(blended / "tx", blended / "gt", out, overwrite=True) == 6
    assert contents(out) == whole
    assert blend_folder(blended / "tx", blended / "gt", out) == 0


def test_without_its_note_a_set_is_replaced_on_demand_only_where_it_was_moved(
    blended: Path,
) -> None:
    out, whole = blended / "out", contents(blended / "out")
    split_val(out / "train", out / "val", fraction=0.5)
    (out / NOTE).unlink()
    with pytest.raises(DataError, match=r"\.png: is there already, and no note .*, as of 9 files"):
        blend_folder(blended / "tx", blended / "gt", out)
    assert blend_folder(blended / "tx", blended / "gt", out, overwrite=True) == 6
    now = contents(out)
    assert len(now) == len(whole)
    assert {name.replace("val/", "train/") for name in now} == set(whole)


@pytest.mark.parametrize("folder", ["train", "edge"])
def test_results_are_not_taken_as_sources(blended: Path, folder: str) -> None:
    before = contents(blended)
    with pytest.raises(DataError, match=rf"out/{folder}: is where results go\. Copy the images"):
        blend_folder(blended / "tx", blended / "out" / folder, blended / "out")
    assert contents(blended) == before


def test_a_run_killed_anywhere_is_completed_also_where_it_makes_things_anew(
    blended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first set it makes another one, of other images, and smaller."""
    write_image(blended / "gt/a.png", np.zeros((12, 10, 3), np.uint8))
    (blended / "gt/ü.png").unlink()
    real, turns = os.replace, count()

    def killed(at: int):
        def replace(source: Path, target: Path) -> None:
            if next(turns) == at:
                raise KeyboardInterrupt
            real(source, target)

        return replace

    blend_folder(blended / "tx", blended / "gt", blended / "fresh")
    wanted = contents(blended / "fresh")
    for at in range(5):  # map, an edge, three pairs
        out = blended / f"out{at}"
        shutil.copytree(blended / "out", out)
        turns = count()
        monkeypatch.setattr(os, "replace", killed(at))
        with pytest.raises(KeyboardInterrupt):
            blend_folder(blended / "tx", blended / "gt", out, workers=1)
        monkeypatch.setattr(os, "replace", real)
        blend_folder(blended / "tx", blended / "gt", out)
        assert contents(out) == wanted


def test_existing_map_decides_the_numbers(tmp_path: Path) -> None:
    write_images(tmp_path / "tx", "t.png")
    a, b = write_images(tmp_path / "gt", "a.png", "b.png")
    (tmp_path / "old.txt").write_text("b,0\na,1\n")
    blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out", map_file=tmp_path / "old.txt")
    for number, gt in enumerate((b, a)):
        pair = read_image(tmp_path / "out" / "train" / f"{number}.png")
        np.testing.assert_array_equal(pair[:, :10], gt)
    assert read_map(tmp_path / "out" / "map.txt") == {"b": 0, "a": 1}


def test_blanks_and_empty_lines_in_a_map_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_bytes(b"\n b ,1\r\n\t\na b, 0 \n\n")
    assert read_map(tmp_path / "map.txt") == {"b": 1, "a b": 0}


def test_an_image_with_blanks_around_its_name_keeps_its_number(tmp_path: Path) -> None:
    write_images(tmp_path / "tx", "t.png")
    write_images(tmp_path / "gt", "a .png", "b.png")
    blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out")
    old = tmp_path / "out/map.txt"
    assert blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out", map_file=old) == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,0\n", r"b\.png: has no number in .*map\.txt"),
        ("a,0\nb,1\nc,2\n", r"map\.txt: names 'c', which .*gt does not have"),
        ("a,0\nb\n", r"map\.txt:2: must be a new '<name>,<number>', got 'b'"),
        ("a,0\na,1\n", r"map\.txt:2: must be a new"),
        ("a,0\n\n a,1\n", r"map\.txt:3: must be a new"),
        ("a,0\n ,1\n", r"map\.txt:2: must be a new"),
        ("a,-1\nb,0\n", r"map\.txt:1: must be a new"),
        ("a,0\nb,2\n", r"map\.txt: must have the numbers 0 to 1 once each"),
    ],
)
def test_faulty_map_is_refused(tmp_path: Path, content: str, told: str) -> None:
    write_images(tmp_path / "tx", "t.png")
    write_images(tmp_path / "gt", "a.png", "b.png")
    (tmp_path / "map.txt").write_text(content)
    with pytest.raises(DataError, match=told):
        blend_folder(
            tmp_path / "tx", tmp_path / "gt", tmp_path / "out", map_file=tmp_path / "map.txt"
        )
    assert not (tmp_path / "out").exists()


def test_two_ground_truths_with_one_name_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "tx", "t.png")
    write_images(tmp_path / "gt", "a.1.png", "a.2.png")
    with pytest.raises(DataError, match=r"a\.2\.png: has the name of a\.1\.png"):
        blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out")


def test_unreadable_image_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "tx", "t.png")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(DataError, match=r"broken\.png"):
        blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_16_bits_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "gt", "a.png")
    write_image(tmp_path / "tx" / "deep.png", np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(DataError, match=r"deep\.png: must have 8 bits per channel, got 16"):
        blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / "out")


def test_images_are_listed_by_name_without_other_files(tmp_path: Path) -> None:
    write_images(tmp_path, "b.png", "a.jpg", "C.PNG")
    for name in (".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    assert names(image_files(tmp_path)) == ["C.PNG", "a.jpg", "b.png"]


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be read: No such file"):
        image_files(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no images"):
        image_files(tmp_path)


def test_tenth_is_moved_to_validation_rounded_down(tmp_path: Path) -> None:
    everything = numbered(tmp_path / "train", 25)
    moved = split_val(tmp_path / "train", tmp_path / "val", seed=5)
    assert len(moved) == 2
    assert names(image_files(tmp_path / "val")) == names(moved)
    assert sorted(names(image_files(tmp_path / "train")) + names(moved)) == everything


def test_validation_folder_may_exist_already(tmp_path: Path) -> None:
    numbered(tmp_path / "train", 10)
    (tmp_path / "val").mkdir()
    assert len(split_val(tmp_path / "train", tmp_path / "val")) == 1


def test_seed_decides_what_is_moved(tmp_path: Path) -> None:
    draws = []
    for run, seed in enumerate((1, 1, 2)):
        numbered(tmp_path / f"{run}", 20)
        moved = split_val(tmp_path / f"{run}", tmp_path / f"val{run}", fraction=0.3, seed=seed)
        draws.append(names(moved))
    assert draws[0] == draws[1] != draws[2]


def test_split_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    train, val = tmp_path / "train", tmp_path / "val"
    numbered(train, 20)
    moved = split_val(train, val, fraction=0.2)
    moved[0].rename(train / moved[0].name)
    assert split_val(train, val, fraction=0.2) == moved
    assert image_files(val) == moved


def test_validation_folder_of_another_draw_is_refused(tmp_path: Path) -> None:
    numbered(tmp_path / "train", 20)
    split_val(tmp_path / "train", tmp_path / "val", fraction=0.2, seed=0)
    with pytest.raises(DataError, match=r"is not of this draw \(fraction 0.2, seed 1\). Move"):
        split_val(tmp_path / "train", tmp_path / "val", fraction=0.2, seed=1)


def test_ground_truths_are_the_filtered_photographs(tmp_path: Path) -> None:
    (photo,) = write_images(tmp_path / "in", "x.y.bmp")
    write_images(tmp_path / "in", "z.png")
    (tmp_path / "in" / "z.png").write_bytes(b"no image")
    made = make_smooth_gt(tmp_path / "in", tmp_path / "out", method="l0", settings={"lam": 0.05})
    (_, first), (_, second) = made
    smooth = read_image(tmp_path / "out" / "x.y.png")
    np.testing.assert_array_equal(smooth, to_uint8(l0(to_float(photo), lam=0.05)))
    assert first is None
    assert "z.png: " in (second or "")


@pytest.mark.parametrize(
    ("method", "settings", "told"),
    [
        ("rvt", {}, "^rvt: no such filter. Did you mean 'rtv'"),
        ("l0", {"lamb": 1.0}, "^l0.lamb: l0 takes no such option. Did you mean 'lam'"),
        ("rtv", {"sigma": -1.0}, "^rtv.sigma: must be above 0, got -1.0"),
    ],
)
def test_faulty_filter_is_refused_before_any_image(
    tmp_path: Path, method: str, settings: dict[str, float], told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        make_smooth_gt(tmp_path / "none", tmp_path, method=method, settings=settings)


def test_two_photographs_of_one_stem_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.bmp", "a.png")
    with pytest.raises(DataError, match=r"a\.png: has the name of a\.bmp"):
        make_smooth_gt(tmp_path / "in", tmp_path / "out")


def smooth(folder: Path, **options) -> list[str]:
    done = make_smooth_gt(folder / "in", folder / "out", **{"method": "bilateral", **options})
    return [path.name for path, reason in done if reason is None]


def test_smoothing_goes_on_where_it_was_cut_short(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png", "b.png")
    smooth(tmp_path)
    kept, gone, newer = tmp_path / "out/a.png", tmp_path / "out/b.png", tmp_path / "in/a.png"
    os.utime(kept, ns=(1, 1))
    gone.unlink()
    smooth(tmp_path)
    assert gone.exists()
    os.utime(newer, ns=(2**62, 2**62))  # of the same content
    smooth(tmp_path)
    assert kept.stat().st_mtime_ns == 1
    write_image(newer, 255 - read_image(newer))
    os.utime(newer, ns=(0, 0))  # of another, and older
    smooth(tmp_path)
    assert kept.stat().st_mtime_ns > 1


def test_smooth_images_that_no_note_tells_of_are_not_replaced(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png")
    write_image(tmp_path / "out/a.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"out/a\.png: is there already, and no note tells"):
        smooth(tmp_path)
    assert read_image(tmp_path / "out/a.png").shape == (2, 2, 3)
    assert smooth(tmp_path, overwrite=True) == ["a.png"]
    assert smooth(tmp_path) == ["a.png"]


def test_another_filter_makes_all_anew(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png")
    smooth(tmp_path)
    before = (tmp_path / "out" / "a.png").read_bytes()
    smooth(tmp_path, settings={"sigma_color": 0.9})
    assert (tmp_path / "out" / "a.png").read_bytes() != before


def test_machines_share_the_photographs(tmp_path: Path) -> None:
    write_images(tmp_path / "in", "a.png", "b.png", "c.png")
    assert smooth(tmp_path, shard=(2, 2)) == ["b.png"]
    assert smooth(tmp_path, shard=(1, 2)) == ["a.png", "c.png"]


def test_16_bits_give_ground_truths_that_can_be_blended(tmp_path: Path) -> None:
    (photo,) = write_images(tmp_path / "in", "a.png")
    write_image(tmp_path / "in" / "a.png", photo.astype(np.uint16) * 257)
    smooth(tmp_path)
    assert read_image(tmp_path / "out" / "a.png").dtype == np.uint8


def test_photographs_are_not_replaced_by_their_ground_truths(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    with pytest.raises(DataError, match="holds the photographs, which would be replaced"):
        make_smooth_gt(tmp_path, tmp_path)


@pytest.mark.parametrize("own", ["tx", "gt"])
def test_pairs_are_not_written_among_what_they_are_made_from(tmp_path: Path, own: str) -> None:
    for folder in ("tx", "gt"):
        write_images(tmp_path / folder, "a.png")
    with pytest.raises(DataError, match="holds what it is to be made from"):
        blend_folder(tmp_path / "tx", tmp_path / "gt", tmp_path / own)
    assert [path.name for path in (tmp_path / own).iterdir()] == ["a.png"]
