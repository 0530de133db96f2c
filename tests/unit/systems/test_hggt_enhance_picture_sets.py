"""Finding originals and versions, and what is said of folders that are not as they should be."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.ops.io import write_image
from smoothkit.systems.hggt_enhance.prepare.picture_sets import (
    check_places,
    find_sets,
    read_pixels,
    refuse,
    sizes_of,
)
from support.enhanced import make_sets, picture


def test_sets_come_by_file_name_with_versions_of_any_name(tmp_path):
    make_sets(tmp_path, ["b c.png", "a-1.jpg", "é.png"], ["01", "my net", "é-x"])
    (tmp_path / ".cells").mkdir()
    sets = find_sets(tmp_path)
    assert [one.stem for one in sets] == ["a-1", "b c", "é"]
    assert {version: path.name for version, path in sets[0].files.items()} == {
        "original": "a-1.jpg",
        "01": "a-1_01.png",
        "my net": "a-1_my net.png",
        "é-x": "a-1_é-x.png",
    }


def test_a_folder_without_originals_is_refused_with_what_it_has(tmp_path):
    make_sets(tmp_path)
    (tmp_path / "original").rename(tmp_path / "Original")
    with pytest.raises(DataError, match=r"must have a folder 'original'.*, got only 01, 02, Ori"):
        find_sets(tmp_path)


def test_a_folder_without_versions_is_refused(tmp_path):
    make_sets(tmp_path, versions=())
    with pytest.raises(DataError, match=r"must have folders of versions .* such as '01', got none"):
        find_sets(tmp_path)


def test_every_missing_version_is_named(tmp_path):
    make_sets(tmp_path)
    (tmp_path / "01/b_01.png").unlink()
    (tmp_path / "02/c_02.png").unlink()
    with pytest.raises(DataError) as raised:
        find_sets(tmp_path)
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/01/b_01.png: missing, though {tmp_path}/original/b.png is there.",
        f"{tmp_path}/02/c_02.png: missing, though {tmp_path}/original/c.png is there.",
    ]


def test_suffixes_that_do_not_match_are_told_once_for_the_folder(tmp_path):
    make_sets(tmp_path)
    (tmp_path / "02").rename(tmp_path / "03")
    match = r"03: must have files called <original>_03, such as a_03\.png, got a_02\.png\. Rename"
    with pytest.raises(DataError, match=match):
        find_sets(tmp_path)


def test_two_originals_of_one_name_are_refused(tmp_path):
    make_sets(tmp_path)
    write_image(tmp_path / "original/a.bmp", picture(0))
    with pytest.raises(DataError, match=r"original: has both a\.bmp and a\.png\. Move one away"):
        find_sets(tmp_path)


def test_a_version_without_its_original_is_skipped_with_a_warning(tmp_path, caplog):
    make_sets(tmp_path)
    (tmp_path / "original/b.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert [one.stem for one in find_sets(tmp_path)] == ["a", "c"]
    assert "01: 1 files without an original are skipped, such as b_01.png." in caplog.text


def test_versions_of_other_sizes_and_files_that_are_no_images_are_named(tmp_path):
    make_sets(tmp_path)
    write_image(tmp_path / "01/a_01.png", picture(0, 90, 108))
    (tmp_path / "02/c_02.png").write_text("no image")
    with pytest.raises(DataError) as raised:
        sizes_of(find_sets(tmp_path))
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/01/a_01.png: must have the size of its original, 90x110, got 90x108.",
        f"{tmp_path}/02/c_02.png: is not a PNG, JPEG, WebP, TIFF or BMP image.",
    ]


def test_long_lists_of_faults_end_with_their_number():
    with pytest.raises(DataError) as raised:
        refuse(f"{number}: missing." for number in range(30))
    lines = str(raised.value).splitlines()
    assert (lines[19], lines[20:]) == ("19: missing.", ["and 10 more like these."])
    refuse([])


def write_rotated(path: Path, image: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(image[..., ::-1]).save(path, exif=exif)


def test_what_is_not_kept_of_images_is_counted(tmp_path, caplog):
    make_sets(tmp_path, ["a.png"], ["01", "02"])
    image = picture(0)
    write_rotated(tmp_path / "original/a.png", np.rot90(image))
    write_image(tmp_path / "01/a_01.png", image.astype(np.uint16) * 257)
    write_image(tmp_path / "02/a_02.png", np.dstack([image, image[..., 0]]))
    with caplog.at_level(logging.WARNING):
        assert sizes_of(find_sets(tmp_path)) == [(90, 110)]
    assert "1 of 3 files have 16 bits per channel, of which the upper 8 are kept." in caplog.text
    assert "1 of 3 files have transparency, which is dropped." in caplog.text
    assert "1 of 3 files are turned upright as their EXIF says." in caplog.text
    for pictures in find_sets(tmp_path):
        for path in pictures.files.values():
            np.testing.assert_array_equal(read_pixels(path), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_becomes_colour_and_16_bits_lose_the_lower_8(tmp_path, dtype):
    grey = picture(0)[..., 0]
    levels = grey.astype(dtype)
    if dtype is np.uint16:
        levels = levels * 256 + 255
    write_image(tmp_path / "a.png", levels)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), np.dstack([grey] * 3))


def test_palettes_become_colours(tmp_path):
    image = Image.fromarray(picture(0)[..., ::-1]).quantize(200)
    image.save(tmp_path / "a.png")
    colors = np.asarray(image.convert("RGB"))[..., ::-1]
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), colors)


def test_cmyk_is_refused_before_anything_is_made(tmp_path):
    make_sets(tmp_path)
    Image.fromarray(picture(0)).convert("CMYK").save(tmp_path / "original/d.jpg")
    for version in ("01", "02"):
        write_image(tmp_path / f"{version}/d_{version}.png", picture(0))
    with pytest.raises(DataError, match=r"original/d\.jpg: is a CMYK image"):
        sizes_of(find_sets(tmp_path))


def test_results_never_go_among_the_sources(tmp_path):
    check_places(tmp_path / "in", tmp_path / "out")
    with pytest.raises(DataError, match="holds what it is to be made from"):
        check_places(tmp_path / "in", tmp_path / "in/../in")
    with pytest.raises(DataError, match=r"out: lies in .*in, where each folder is a version"):
        check_places(tmp_path / "in", tmp_path / "in/out")
    cv2.imwrite(str(tmp_path / "file.png"), picture(0))
    with pytest.raises(DataError, match=r"file\.png: is a file"):
        check_places(tmp_path / "in", tmp_path / "file.png/out")
