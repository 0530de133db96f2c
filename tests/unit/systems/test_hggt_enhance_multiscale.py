"""Smaller copies of large images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothkit.data.prepare.derive import Summary, derive
from smoothkit.ops.io import read_image, write_image
from smoothkit.systems.hggt_enhance.prepare.multiscale import Multiscale, smaller_sizes

SCRIPT = "data_preparation/generate_multiscale_DF2K.py"


def pixels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def run(root: Path) -> Summary:
    return derive(Multiscale(), [root / "in"], root / "out")


@pytest.mark.parametrize(("mode", "channels"), [("L", ()), ("RGB", (3,)), ("RGBA", (4,))])
def test_pixels_are_those_of_pillow(tmp_path: Path, mode: str, channels: tuple[int, ...]) -> None:
    (tmp_path / "in").mkdir()
    image = Image.fromarray(pixels(45, 60, *channels))
    image.save(tmp_path / "in/a.png")
    assert run(tmp_path).results == 4
    for number, size in enumerate(((45, 33), (30, 22), (20, 15), (533, 400))):
        with Image.open(tmp_path / f"out/aT{number}.png") as copy:
            assert (copy.mode, copy.size) == (mode, size)
            expected = image.resize(size, Image.Resampling.LANCZOS)
            np.testing.assert_array_equal(np.asarray(copy), np.asarray(expected))


def test_palettes_are_resized_as_colours(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    image = Image.fromarray(pixels(45, 60, 3)).quantize(8)
    image.save(tmp_path / "in/a.png")
    run(tmp_path)
    expected = image.convert("RGB").resize((30, 22), Image.Resampling.LANCZOS)
    with Image.open(tmp_path / "out/aT1.png") as copy:
        np.testing.assert_array_equal(np.asarray(copy), np.asarray(expected))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_sixteen_bits_stay(tmp_path: Path, channels: tuple[int, ...]) -> None:
    image = 80 + pixels(45, 60, *channels) // 4  # Pillow clips 8 bits between rows and columns
    write_image(tmp_path / "in/a.png", image.astype(np.uint16) * 257)
    run(tmp_path)
    copy = read_image(tmp_path / "out/aT1.png", mode="unchanged")
    assert copy.dtype == np.uint16
    eight = np.asarray(Image.fromarray(image).resize((30, 22), Image.Resampling.LANCZOS))
    np.testing.assert_allclose(copy / 257, eight, atol=1)


def test_sixteen_bits_keep_levels_between_those_of_eight(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 1300, 400).astype(np.uint16)
    write_image(tmp_path / "in/a.png", np.tile(ramp, (400, 1)))
    run(tmp_path)
    assert len(np.unique(read_image(tmp_path / "out/aT1.png", mode="gray"))) > 100


def test_an_image_that_lies_on_its_side_becomes_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    stored = pixels(60, 45)
    Image.fromarray(stored).save(tmp_path / "in/a.png", exif=exif)
    run(tmp_path)
    upright = Image.fromarray(np.rot90(stored, -1)).resize((30, 22), Image.Resampling.LANCZOS)
    copy = read_image(tmp_path / "out/aT1.png", mode="gray")
    np.testing.assert_array_equal(copy, np.asarray(upright))


def test_what_cannot_be_resized_is_named(tmp_path: Path, run_script, capsys) -> None:
    write_image(tmp_path / "in/a.png", pixels(45, 60))
    write_image(tmp_path / "in/b.png", pixels(9, 9, 4, dtype=np.uint16))
    write_image(tmp_path / "in/c.png", pixels(2, 9))
    (tmp_path / "in/d.png").write_bytes(b"junk")
    assert run_script(SCRIPT, "--input in --output out") == 2
    printed = capsys.readouterr()
    assert printed.out == "out: 4 images, 4 new\n"
    assert printed.err.splitlines() == [
        "in/b.png: has alpha and 16 bits. Remove one of them.",
        "in/c.png: is too small for a third of its size, got 2x9.",
        "in/d.png: is not a PNG, JPEG, WebP, TIFF or BMP image.",
    ]


def test_the_command_takes_several_folders_and_goes_on(tmp_path: Path, run_script, capsys) -> None:
    for name in ("x/a", "y/z/b"):
        write_image(tmp_path / f"{name}.png", pixels(45, 60))
    assert run_script(SCRIPT, "--input x y --recursive --output out --workers 1") == 0
    assert capsys.readouterr().out == "out: 8 images, 8 new\n"
    (tmp_path / "out/bT2.png").unlink()
    assert run_script(SCRIPT, "--input x --input y --recursive --output out") == 0
    assert capsys.readouterr().out == "out: 8 images, 1 new\n"


def test_sizes_are_rounded_down_and_the_short_side_is_400() -> None:
    assert smaller_sizes(301, 200) == [(225, 150), (150, 100), (100, 66), (602, 400)]
    assert smaller_sizes(200, 301)[3] == (400, 602)
    assert smaller_sizes(100, 100)[3] == (400, 400)
