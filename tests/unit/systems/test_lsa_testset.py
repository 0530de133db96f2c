"""Building the test set of merged images, and copying listed ones."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smoothkit.core.errors import DataError
from smoothkit.data.provenance import NOTE
from smoothkit.ops.io import encode_image, read_header, read_image, write_image
from smoothkit.systems.lsa.listed import copy_listed, listed_files
from smoothkit.systems.lsa.merging import Foreground, covering
from smoothkit.systems.lsa.testset import Sources, build_test_set


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Two foregrounds, listed against the order of names, and backgrounds enough for two each."""
    for seed, name in enumerate(("a", "b")):
        write_image(tmp_path / f"fg/{name}.png", noise(seed, 12, 10, 3))
        write_image(tmp_path / f"alpha/{name}.png", noise(seed + 5, 12, 10))
        write_image(tmp_path / f"trimaps/{name}.png", np.full((12, 10), 128, np.uint8))
    for k in range(5):
        write_image(tmp_path / f"bg/{k}.png", noise(k + 10, 9 + k, 30, 3))
    (tmp_path / "fg.txt").write_text("b.png\na\n")
    (tmp_path / "bg.txt").write_text("\ufeff4.jpg\n3.jpg\r\n\n2.jpg\n1.jpg\n0.jpg\n", "utf-8")
    return Sources(
        *(tmp_path / name for name in ("fg", "alpha", "bg", "fg.txt", "bg.txt", "trimaps"))
    )


def noted(out: Path) -> dict[str, dict[str, list[str]]]:
    """The inputs of each file."""
    lines = map(json.loads, (out / NOTE).read_text().splitlines())
    return {line["result"]: line["inputs"] for line in lines if "result" in line}


def straight(fg: np.ndarray, alpha: np.ndarray, bg: np.ndarray) -> np.ndarray:
    """Pixel by pixel; the background is large enough."""
    out = np.zeros_like(fg)
    for y, x in np.ndindex(alpha.shape):
        a = float(alpha[y, x]) / 255
        pairs = zip(fg[y, x], bg[y, x], strict=True)
        mixed = [int(a * float(f) + (1 - a) * float(b)) for f, b in pairs]
        out[y, x] = fg[y, x] if a >= 1 else mixed if a > 0 else bg[y, x]
    return out


def test_merging_is_what_a_loop_over_the_pixels_gives():
    fg, alpha, bg = noise(0, 20, 17, 3), noise(1, 20, 17), noise(2, 25, 30, 3)
    alpha[:4], alpha[4:8] = 0, 255
    expected = straight(fg, alpha, bg)
    np.testing.assert_array_equal(Foreground(fg, alpha).over(bg), expected)
    np.testing.assert_array_equal(Foreground(fg, alpha.astype(np.uint16) * 257).over(bg), expected)


def test_a_background_is_enlarged_only_as_far_as_it_must_and_cropped_at_its_corner():
    large = noise(0, 30, 40, 3)
    np.testing.assert_array_equal(covering(large, 20, 25), large[:20, :25])
    flat = np.full((10, 40, 3), 77, np.uint8)
    np.testing.assert_array_equal(covering(flat, 25, 30), np.full((25, 30, 3), 77))


def test_each_foreground_takes_the_next_backgrounds_in_the_order_of_the_lists(sources, tmp_path):
    assert build_test_set(sources, tmp_path / "out", per_foreground=2) == 4
    note = noted(tmp_path / "out")
    made_from = {
        Path(name).stem: [origin["foreground"], origin["background"]]
        for name, origin in note.items()
        if name.startswith("merged/")
    }
    assert {name: [file for file, _ in files] for name, files in made_from.items()} == {
        "b_0": ["b.png", "4.png"],
        "b_1": ["b.png", "3.png"],
        "a_0": ["a.png", "2.png"],
        "a_1": ["a.png", "1.png"],
    }
    for part, folder, made in (
        ("foreground", "fg", "merged"),
        ("alpha", "alpha", "merged"),
        ("alpha", "alpha", "alpha_copy"),
        ("trimap", "trimaps", "trimaps"),
    ):
        digest = hashlib.sha256((tmp_path / folder / "a.png").read_bytes()).hexdigest()
        assert note[f"{made}/a_1.png"][part] == ["a.png", digest]
    fg, alpha, bg = (
        read_image(tmp_path / name) for name in ("fg/b.png", "alpha/b.png", "bg/3.png")
    )
    merged = read_image(tmp_path / "out/merged/b_1.png")
    np.testing.assert_array_equal(merged, straight(fg, alpha[..., 0], bg))
    for folder, source in (("alpha_copy", "alpha"), ("trimaps", "trimaps")):
        files = sorted(path.name for path in (tmp_path / "out" / folder).iterdir())
        assert files == ["a_0.png", "a_1.png", "b_0.png", "b_1.png"]
        copy = (tmp_path / "out" / folder / "a_1.png").read_bytes()
        assert copy == (tmp_path / source / "a.png").read_bytes()


def test_a_run_that_was_cut_short_goes_on(sources, tmp_path):
    out = tmp_path / "out"
    build_test_set(sources, out, per_foreground=2)
    whole = {path: path.read_bytes() for path in out.rglob("*.png")}
    kept, cut, gone = (out / f"merged/{name}.png" for name in ("a_0", "a_1", "b_1"))
    os.utime(kept, ns=(1, 1))
    cut.write_bytes(whole[cut][:-20])
    gone.unlink()
    (out / "alpha_copy/b_0.png").unlink()
    assert build_test_set(sources, out, per_foreground=2) == 2
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == whole
    assert kept.stat().st_mtime_ns == 1
    (tmp_path / "bg.txt").write_text("0\n1\n2\n3\n")
    assert build_test_set(sources, out, per_foreground=2) == 3  # 2 stays where it was
    build_test_set(sources, tmp_path / "new", per_foreground=2)
    for path in (tmp_path / "new").rglob("*.png"):
        assert (out / path.relative_to(tmp_path / "new")).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ("fg", ["merged/a_0", "merged/a_1"]),
        ("alpha", ["alpha_copy/a_0", "alpha_copy/a_1", "merged/a_0", "merged/a_1"]),
        ("trimaps", ["trimaps/a_0", "trimaps/a_1"]),
    ],
)
def test_what_was_made_from_sources_that_changed_is_made_anew(
    sources, tmp_path, part, made, caplog
):
    caplog.set_level("INFO")
    out = tmp_path / "out"
    build_test_set(sources, out, per_foreground=2)
    source = tmp_path / part / "a.png"
    before, whole = source.stat(), {path: path.read_bytes() for path in out.rglob("*.png")}
    write_image(source, 255 - read_image(source, mode="whole"))
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    build_test_set(sources, out, per_foreground=2)
    changed = [path for path, content in whole.items() if path.read_bytes() != content]
    assert sorted(str(p.relative_to(out).with_suffix("")) for p in changed) == made
    assert f"{len(made)} results are made anew; what changed: " in caplog.text


def test_other_trimaps_are_taken_in_place_of_the_former_ones(sources, tmp_path):
    out = tmp_path / "out"
    build_test_set(sources, out, per_foreground=2)
    for name in ("a", "b"):
        write_image(tmp_path / f"given/{name}.png", np.full((12, 10), 255, np.uint8))
    sources = replace(sources, trimap_dir=tmp_path / "given")
    assert build_test_set(sources, out, per_foreground=2) == 0
    trimaps = [read_image(path, mode="gray") for path in (out / "trimaps").iterdir()]
    assert [trimap.min() for trimap in trimaps] == [255] * 4


def test_a_source_that_nothing_is_made_from_yet_may_change(sources, tmp_path):
    out, sound = tmp_path / "out", (tmp_path / "bg/1.png").read_bytes()
    (tmp_path / "bg/1.png").write_bytes(sound[:-30])
    with pytest.raises(DataError, match=r"bg/1\.png: cannot be decoded"):
        build_test_set(sources, out, per_foreground=2)
    (tmp_path / "bg/1.png").write_bytes(sound)
    build_test_set(sources, out, per_foreground=2)
    assert len(list((out / "merged").iterdir())) == 4
    digest = hashlib.sha256(sound).hexdigest()
    assert noted(out)["merged/a_1.png"]["background"] == ["1.png", digest]


def test_copied_sources_are_the_same_ones(sources, tmp_path):
    out, copied = tmp_path / "out", tmp_path / "copied"
    build_test_set(replace(sources, trimap_dir=None), out, per_foreground=2)
    for name in ("fg", "alpha", "bg", "trimaps"):
        shutil.copytree(tmp_path / name, copied / name, copy_function=shutil.copyfile)
    folders = {f"{name}_dir": copied / name for name in ("fg", "alpha", "bg")}
    sources = replace(sources, **folders, trimap_dir=copied / "trimaps")
    assert build_test_set(sources, out, per_foreground=2) == 0
    assert len(list((out / "trimaps").iterdir())) == 4


def test_files_that_no_note_tells_of_are_refused(sources, tmp_path):
    out = tmp_path / "out"
    build_test_set(sources, out, per_foreground=2)
    (out / NOTE).write_text('{"b_0": ["b.png", "4.png"]}')
    told = r"merged/b_0\.png: is there already, and no note .*, as of 12 files here\. .*--overwrite"
    with pytest.raises(DataError, match=told):
        build_test_set(sources, out, per_foreground=2)
    assert build_test_set(sources, out, per_foreground=2, overwrite=True) == 4
    assert build_test_set(sources, out, per_foreground=2) == 0


def test_formats_may_differ_and_a_trimap_of_its_own_comes_first(sources, tmp_path):
    alpha = noise(3, 12, 10)
    (tmp_path / "alpha/a.png").unlink()
    write_image(tmp_path / "alpha/a.bmp", np.dstack([alpha] * 3))
    write_image(tmp_path / "trimaps/a_1.png", np.zeros((12, 10), np.uint8))
    write_image(tmp_path / "fg/a.png", np.dstack([noise(4, 12, 10, 3), alpha]))
    build_test_set(sources, tmp_path / "out", per_foreground=2)
    copy = tmp_path / "out/alpha_copy/a_0.png"
    assert read_header(copy).kind == "grey"
    np.testing.assert_array_equal(read_image(copy, mode="gray"), alpha)
    levels = [read_image(tmp_path / f"out/trimaps/a_{k}.png", mode="gray").max() for k in (0, 1)]
    assert levels == [128, 0]


def test_everything_that_is_wrong_is_named_before_anything_is_written(sources, tmp_path):
    (tmp_path / "alpha/b.png").unlink()
    write_image(tmp_path / "alpha/a.png", noise(0, 12, 11))
    write_image(tmp_path / "trimaps/a.png", noise(0, 13, 10))
    (tmp_path / "bg/2.png").write_bytes(b"none")
    write_image(tmp_path / "bg/1.png", noise(0, 9, 9, 3).astype(np.uint16))
    with pytest.raises(DataError) as raised:
        build_test_set(sources, tmp_path / "out", per_foreground=2)
    told = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert told == [
        "fg/b.png: has no alpha. Put one called 'b' beside the others.",
        "alpha/a.png: must have the size of fg/a.png, 12x10, got 12x11.",
        "trimaps/a.png: must have the size of fg/a.png, 12x10, got 13x10.",
        "bg/2.png: is not a PNG, JPEG, WebP, TIFF or BMP image.",
        "bg/1.png: must have 8 bits per channel, got 16. Convert it.",
    ]
    assert not (tmp_path / "out").exists()


def test_coloured_trimaps_and_alphas_are_all_named_before_anything_is_written(sources, tmp_path):
    for name in ("a", "b"):
        write_image(tmp_path / f"trimaps/{name}.png", noise(0, 12, 10, 3))
    write_image(tmp_path / "alpha/a.png", noise(0, 12, 10, 4))
    with pytest.raises(DataError) as raised:
        build_test_set(sources, tmp_path / "out", per_foreground=2)
    told = "must be grey, got colours. Is it the right file?"
    lines = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert lines == [
        f"{name}: {told}" for name in ("trimaps/b.png", "alpha/a.png", "trimaps/a.png")
    ]
    assert not (tmp_path / "out").exists()


def test_colours_are_no_trimaps_even_where_they_are_backgrounds_too(sources, tmp_path):
    sources = replace(sources, bg_dir=sources.fg_dir, bg_list=None, trimap_dir=sources.fg_dir)
    with pytest.raises(DataError, match=r"fg/b\.png: must be grey.*\n.*fg/a\.png: must be grey"):
        build_test_set(sources, tmp_path / "out", per_foreground=1)
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_of_results(sources, tmp_path):
    told = r"fg\.txt: must be a folder, is a file\.$"
    with pytest.raises(DataError, match=told):
        build_test_set(sources, tmp_path / "fg.txt", per_foreground=2)
    with pytest.raises(DataError, match=told):
        copy_listed(tmp_path / "fg.txt", tmp_path / "fg", tmp_path / "fg.txt")


def test_too_few_backgrounds_and_missing_trimaps_are_refused(sources, tmp_path):
    with pytest.raises(DataError, match=r"must have 40 backgrounds, 20 for each of 2 foregrounds"):
        build_test_set(sources, tmp_path / "out")
    (tmp_path / "trimaps/a.png").unlink()
    with pytest.raises(DataError, match=r"fg/a.png: has no trimap called 'a_0' or 'a'\.$"):
        build_test_set(sources, tmp_path / "out", per_foreground=2)


def test_of_many_missing_images_ten_are_named(tmp_path):
    write_image(tmp_path / "in/x.jpg", noise(0, 4, 4, 3))
    (tmp_path / "list").write_text("\n".join(f"{k}.jpg" for k in range(43100)))
    with pytest.raises(
        DataError, match=r"lacks 43100 of .* 9\.jpg, \.\.\. and 43090 more\."
    ) as raised:
        copy_listed(tmp_path / "list", tmp_path / "in", tmp_path / "out")
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("content", ["picture", "latin 1", "UTF-16"])
def test_a_list_that_is_no_text_is_refused(tmp_path, content):
    write_image(tmp_path / "in/x.png", noise(0, 4, 4, 3))
    given = {"latin 1": "bücher.png".encode("latin-1"), "UTF-16": "x.png".encode("utf-16-le")}
    picture = (tmp_path / "in/x.png").read_bytes()
    (tmp_path / "list").write_bytes(given.get(content, picture))
    with pytest.raises(
        DataError, match=r"list: is no text in UTF-8\. It should have a name on"
    ) as e:
        copy_listed(tmp_path / "list", tmp_path / "in", tmp_path / "out")
    assert len(str(e.value).splitlines()) == 1


def test_listed_images_keep_their_order_and_missing_ones_are_named(tmp_path):
    for name in ("x.jpg", "y.png", "z.png"):
        write_image(tmp_path / "in" / name, noise(0, 4, 4, 3))
    (tmp_path / "list").write_text("train2014/z.png\nx.png\nz.png\n")
    assert [p.name for p in listed_files(tmp_path / "in", tmp_path / "list")] == [
        "z.png", "x.jpg", "z.png"
    ]  # fmt: skip
    (tmp_path / "list").write_text("q.png\nx.jpg\nr.png\n")
    with pytest.raises(DataError, match=r"in: lacks 2 of the 3 .*list names: q\.png, r\.png\. Is"):
        copy_listed(tmp_path / "list", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "list").write_text("\n")
    with pytest.raises(DataError, match="list: names no image"):
        listed_files(tmp_path / "in", tmp_path / "list")


@pytest.mark.parametrize("way", ["copy", "link"])
def test_listed_images_are_copied_once(tmp_path, way):
    for name in ("x.jpg", "y.png"):
        write_image(tmp_path / "in" / name, noise(0, 4, 4, 3))
    (tmp_path / "list").write_text("x.jpg\n")
    arguments = (tmp_path / "list", tmp_path / "in", tmp_path / "out")
    assert copy_listed(*arguments, way=way) == 1
    assert copy_listed(*arguments, way=way) == 0
    (copy,) = (tmp_path / "out").iterdir()
    assert copy.samefile(tmp_path / "in/x.jpg") == (way == "link")
    assert copy.read_bytes() == encode_image(noise(0, 4, 4, 3), ".jpg")
