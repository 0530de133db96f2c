"""Orientation, frames, transparency and texts of image files."""

from __future__ import annotations

import io
import logging
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.ops.io import decode_image, encode_image, read_header, read_image, write_image
from smoothkit.ops.labels import decode_labels, encode_labels

QUARTERS = np.kron(np.array([[50, 100], [150, 200]], np.uint8), np.ones((20, 30), np.uint8))
ORIENTATION = 0x0112


def corners(image: np.ndarray) -> list[int]:
    plane = image if image.ndim == 2 else image[..., 0]
    return [int(plane[row, column]) for row in (4, -4) for column in (4, -4)]


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    place = png.index(b"IDAT") - 4
    chunk = kind + content
    size, check = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(chunk))
    return png[:place] + size + chunk + check + png[place:]


# How the quarters lie after each orientation, as EXIF defines them.
@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp"])
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (2, [100, 50, 200, 150]),
        (3, [200, 150, 100, 50]),
        (5, [50, 150, 100, 200]),
        (6, [150, 50, 200, 100]),
        (8, [100, 200, 50, 150]),
        (9, [50, 100, 150, 200]),
    ],
)
def test_every_mode_turns_an_image_once(tmp_path: Path, suffix, orientation, expected) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lossless = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(np.dstack([QUARTERS] * 3)).save(path, exif=exif, **lossless)
    for mode in ("color", "gray", "whole"):
        image = read_image(path, mode=mode)
        assert corners(image) == expected
        assert image.shape[:2] == (read_header(path).height, read_header(path).width)


def test_an_exif_that_cannot_be_read_does_not_spoil_a_jpeg(tmp_path: Path) -> None:
    content = encode_image(QUARTERS, ".jpg")
    block = b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 40
    marker = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    (tmp_path / "a.jpg").write_bytes(content[:2] + marker + content[2:])
    for mode in ("color", "whole"):
        assert corners(read_image(tmp_path / "a.jpg", mode=mode)) == pytest.approx(
            [50, 100, 150, 200], abs=2
        )


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"tEXt"])
def test_large_texts_and_profiles_do_not_spoil_a_png(kind: bytes, depth) -> None:
    start = b"key\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"" if kind == b"tEXt" else b"\0")
    text = b"x" * (3 << 20)
    content = start + (text if kind == b"tEXt" else zlib.compress(text))
    image = QUARTERS.astype(depth)
    png = with_chunk(encode_image(image), kind, content)
    np.testing.assert_array_equal(decode_image(png, "a.png", "whole"), image)
    labels = with_chunk(encode_labels(QUARTERS // 50), kind, content)
    np.testing.assert_array_equal(decode_labels(labels, "a.png"), QUARTERS // 50)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_further_frames_are_told_once_a_file(tmp_path: Path, suffix: str, caplog) -> None:
    path = tmp_path / f"a{suffix}"
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with caplog.at_level(logging.WARNING):
        assert read_image(path)[0, 0, 2] > 250
        assert read_header(path).frames == 3
    assert [r.getMessage() for r in caplog.records] == [
        f"{path}: holds 3 frames, the first one was taken."
    ]


def test_an_image_alone_is_no_animation(tmp_path: Path, caplog) -> None:
    for suffix in (".png", ".webp", ".tif", ".bmp", ".jpg"):
        write_image(tmp_path / f"a{suffix}", QUARTERS)
        assert read_header(tmp_path / f"a{suffix}").frames == 1
    assert not caplog.records


def grey_with_transparent(image: Image.Image, level: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", transparency=level)
    return file.getvalue()


def test_the_transparent_level_of_a_grey_png_becomes_alpha() -> None:
    deep = Image.fromarray(QUARTERS.astype(np.uint16) * 257)
    for png, top in (
        (grey_with_transparent(Image.fromarray(QUARTERS), 50), 255),
        (grey_with_transparent(deep, 50 * 257), 65535),
    ):
        image = decode_image(png, "a.png", "whole")
        assert image.shape == (40, 60, 4)
        assert corners(image[..., 3]) == [0, top, top, top]
        assert corners(image[..., :3]) == [v * (top // 255) for v in (50, 100, 150, 200)]
        with pytest.raises(DataError, match=r"a\.png: has an alpha channel"):
            decode_image(png, "a.png")


def test_a_transparent_level_below_eight_bits_is_scaled() -> None:
    rows = b"".join(b"\0" + bytes([0x05]) for _ in range(2))  # two pixels of 4 bits: 0 and 5
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 4, 0, 0, 0, 0)), (b"tRNS", b"\0\5"),
              (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]  # fmt: skip
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks
    )
    assert decode_image(png, "a.png", "whole")[0].tolist() == [[0, 0, 0, 255], [85, 85, 85, 0]]


def test_the_extension_jfif_is_a_jpeg(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jfif", QUARTERS)
    assert (tmp_path / "a.jfif").read_bytes() == cv2.imencode(".jpg", QUARTERS)[1].tobytes()
    assert corners(read_image(tmp_path / "a.jfif")) == pytest.approx([50, 100, 150, 200], abs=2)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    for read in (read_image, read_header):
        with pytest.raises(DataError, match=r"a\.png: cannot be read: it is a pipe or a device"):
            read(tmp_path / "a.png")
