"""Reading, writing and describing image files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.ops.io import (
    decode_image,
    encode_image,
    read_header,
    read_image,
    to_float,
    to_uint8,
    to_uint16,
    write_image,
)


def photo(height: int = 20, width: int = 30, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30)])
def test_lossless_formats_give_back_what_was_written(tmp_path: Path, suffix: str, shape) -> None:
    image = photo().reshape(-1)[: np.prod(shape)].reshape(shape)
    write_image(tmp_path / f"a{suffix}", image)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", mode="unchanged"), image)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_their_depth(tmp_path: Path, suffix: str) -> None:
    image = photo(dtype=np.uint16)
    write_image(tmp_path / f"a{suffix}", image)
    assert size(tmp_path / f"a{suffix}") == (20, 30, 3, 16)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), image)


def size(path: Path) -> tuple[int, int, int, int]:
    header = read_header(path)
    return header.height, header.width, header.channels, header.depth


def test_grey_is_replicated_in_color_mode(tmp_path: Path) -> None:
    grey = photo()[..., 0]
    write_image(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="gray"), grey)


@pytest.mark.parametrize("mode", ["color", "gray"])
def test_alpha_is_refused_by_name_or_dropped(tmp_path: Path, mode) -> None:
    write_image(tmp_path / "a.png", np.dstack([photo(), photo()[..., 0]]))
    with pytest.raises(DataError, match=r"a\.png: has an alpha channel.*'alpha: drop'"):
        read_image(tmp_path / "a.png", mode=mode)
    assert read_image(tmp_path / "a.png", mode=mode, alpha="drop").shape[:2] == (20, 30)
    assert read_image(tmp_path / "a.png", mode="unchanged").shape == (20, 30, 4)


def test_transparency_of_a_palette_counts_as_alpha(tmp_path: Path) -> None:
    Image.fromarray(photo()).quantize(8).save(tmp_path / "a.png", transparency=3)
    assert read_header(tmp_path / "a.png").kind == "alpha"


def test_cmyk_is_refused_by_name_or_converted(tmp_path: Path) -> None:
    Image.fromarray(photo()).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: is a CMYK image.*'cmyk: convert'"):
        read_image(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg", cmyk="convert").shape == (20, 30, 3)


def test_exif_orientation_turns_image_and_header_alike(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        Image.fromarray(photo()).save(tmp_path / name, exif=exif)
        assert size(tmp_path / name)[:2] == (30, 20), name
        assert read_image(tmp_path / name).shape == (30, 20, 3), name


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("a.png", "L", (20, 30, 1, 8)),
        ("a.png", "LA", (20, 30, 2, 8)),
        ("a.png", "RGBA", (20, 30, 4, 8)),
        ("a.png", "P", (20, 30, 3, 8)),
        ("a.png", "1", (20, 30, 1, 8)),
        ("a.jpg", "CMYK", (20, 30, 4, 8)),
        ("a.jpg", "L", (20, 30, 1, 8)),
        ("a.webp", "RGB", (20, 30, 3, 8)),
        ("a.bmp", "RGB", (20, 30, 3, 8)),
        ("a.tif", "RGB", (20, 30, 3, 8)),
    ],
)
def test_header_describes_the_stored_image(tmp_path: Path, name, mode, expected) -> None:
    Image.fromarray(photo()).convert(mode).save(tmp_path / name)
    assert size(tmp_path / name) == expected


def test_a_sixteen_bit_grey_header_says_so(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", photo(dtype=np.uint16)[..., 0])
    assert size(tmp_path / "a.png") == (20, 30, 1, 16)


def test_headers_are_read_from_files_whose_pixels_are_missing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_image(photo(200, 300))[:200])
    assert size(tmp_path / "a.png") == (200, 300, 3, 8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str) -> None:
    data = encode_image(photo(64, 64), suffix)
    path = tmp_path / f"cut off ü{suffix}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=f"cut off ü\\{suffix}: "):
        read_image(path)


@pytest.mark.parametrize("mode", ["color", "gray", "unchanged"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\x89PNG\r\n\x1a\nrubbish", "damaged"), (b"hello world", "is not a|cut")],
)
def test_bad_content_is_refused(tmp_path: Path, mode, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.png: .*({message})"):
        read_image(tmp_path / "a.png", mode=mode)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for read in (read_image, read_header):
        with pytest.raises(DataError, match=r"nowhere\.png: no such file"):
            read(tmp_path / "nowhere.png")
        with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
            read(tmp_path)


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), photo()[..., 0].astype(np.float32))
    for mode in ("color", "unchanged"):
        with pytest.raises(DataError, match="must have 8 or 16 bits per channel"):
            read_image(tmp_path / "a.tif", mode=mode)


def test_names_with_spaces_dots_and_unicode_work(tmp_path: Path) -> None:
    path = tmp_path / "ünï çode" / ".." / "ünï çode" / "a b.c.png"
    write_image(path, photo())
    np.testing.assert_array_equal(read_image(path), photo())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.png"
    write_image(path, photo())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="disk is full"):
        write_image(path, 255 - photo())
    monkeypatch.undo()
    np.testing.assert_array_equal(read_image(path), photo())
    assert os.listdir(tmp_path) == ["a.png"]


def test_writing_refuses_what_a_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: '.jpg' cannot hold 16 bits. Use .png"):
        write_image(tmp_path / "a.jpg", photo(dtype=np.uint16))
    with pytest.raises(DataError, match=r"no image format has the extension '\.txt'"):
        write_image(tmp_path / "a.txt", photo())
    with pytest.raises(ValueError, match="must be uint8 or uint16, got float64"):
        write_image(tmp_path / "a.png", photo() / 255.0)


def test_bytes_decode_like_the_file(tmp_path: Path) -> None:
    np.testing.assert_array_equal(decode_image(encode_image(photo()), "key"), photo())


def test_floats_round_or_truncate_to_bytes() -> None:
    values = np.array([-0.1, 0.0, 0.5, 99.7 / 255, 1.0, 1.2])
    assert to_uint8(values).tolist() == [0, 0, 128, 100, 255, 255]
    assert to_uint8(values, "truncate").tolist() == [0, 0, 127, 99, 255, 255]
    assert to_uint16(values).tolist() == [0, 0, 32768, 25623, 65535, 65535]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_to_float_and_back(dtype) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    back = to_uint8 if dtype == np.uint8 else to_uint16
    assert to_float(levels).dtype == np.float32
    np.testing.assert_array_equal(back(to_float(levels)), levels)


def test_to_float_takes_stored_pixels_only() -> None:
    with pytest.raises(ValueError, match="got float32"):
        to_float(np.zeros((2, 2, 3), np.float32))


@pytest.mark.parametrize("convert", [to_uint8, to_uint16])
def test_values_that_are_no_number_have_no_level(convert) -> None:
    image = np.full((2, 3), 0.5, np.float32)
    for bad in (np.nan, np.inf, -np.inf):
        image[1, 2] = bad
        with pytest.raises(ValueError, match="holds NaN or infinity in 1 of 6 values"):
            convert(image)
