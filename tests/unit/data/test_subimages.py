"""Sub-images: kinds of images, settings, and the command."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from smoothkit.data.prepare.derive import derive
from smoothkit.data.prepare.subimages import Crops
from smoothkit.ops.io import read_image, write_image

SCRIPT = "data_preparation/extract_subimages.py"


def pixels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("grey.png", pixels(9, 12)),
        ("grey.TIF", pixels(9, 12, dtype=np.uint16)),
        ("color.bmp", pixels(9, 12, 3)),
        ("color.webp", pixels(9, 12, 3)),
        ("deep.png", pixels(9, 12, 3, dtype=np.uint16)),
        ("alpha.png", pixels(9, 12, 4)),
        ("deep alpha.png", pixels(9, 12, 4, dtype=np.uint16)),
    ],
)
def test_depth_channels_and_format_stay(tmp_path: Path, name: str, image: np.ndarray) -> None:
    write_image(tmp_path / "in" / name, image)
    derive(Crops(8, 8), [tmp_path / "in"], tmp_path / "out")
    stem, suffix = name.split(".")
    crop = read_image(tmp_path / f"out/{stem}_s002.{suffix}", mode="unchanged")
    np.testing.assert_array_equal(crop, image[:8, 4:12])


def test_jpegs_stay_jpegs(tmp_path: Path) -> None:
    write_image(tmp_path / "in/a.JPG", pixels(8, 8, 3))
    derive(Crops(8, 8), [tmp_path / "in"], tmp_path / "out")
    assert (tmp_path / "out/a_s001.JPG").read_bytes().startswith(b"\xff\xd8\xff")


def test_palettes_become_colours_and_their_transparency_alpha(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    colours = Image.fromarray(pixels(8, 8, 3)).quantize(16)
    colours.save(tmp_path / "in/p.png")
    colours.save(tmp_path / "in/t.png", transparency=3)
    derive(Crops(8, 8), [tmp_path / "in"], tmp_path / "out")
    for name, mode in (("p", "RGB"), ("t", "RGBA")):
        with Image.open(tmp_path / f"out/{name}_s001.png") as crop:
            assert crop.mode == mode
            expected = np.asarray(Image.open(tmp_path / f"in/{name}.png").convert(mode))
            np.testing.assert_array_equal(np.asarray(crop), expected)


def test_an_image_that_lies_on_its_side_is_cropped_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    stored = pixels(8, 16)
    Image.fromarray(stored).save(tmp_path / "in/a.png", exif=exif)
    derive(Crops(8, 8), [tmp_path / "in"], tmp_path / "out")
    second = read_image(tmp_path / "out/a_s002.png", mode="unchanged")
    np.testing.assert_array_equal(second, np.rot90(stored, -1)[8:])


def test_cmyk_and_depths_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels(8, 8, 4), "CMYK").save(tmp_path / "in/c.jpg")
    cv2.imwrite(str(tmp_path / "in/f.tif"), np.zeros((8, 8), np.float32))
    faults = derive(Crops(8, 8), [tmp_path / "in"], tmp_path / "out").faults
    assert str(faults[0]) == f"{tmp_path}/in/c.jpg: is a CMYK image. Convert it to RGB."
    assert str(faults[1]).endswith("f.tif: must have 8 or 16 bits per channel, got 32.")


def test_marks_of_a_scale_are_left_out_of_names() -> None:
    crops = Crops()
    for name in ("0801x2.png", "x20801.png", "0x4801x8.png", "x30801x2x3.png"):
        assert crops.stem_of(Path(name)) == "0801"
    assert crops.stem_of(Path("a x5 X2.png")) == "a x5 X2"


def test_names_that_collide_without_their_marks_are_refused(tmp_path, run_script, capsys) -> None:
    for name in ("0801x2.png", "0801x4.png"):
        write_image(tmp_path / "in" / name, pixels(8, 8))
    assert run_script(SCRIPT, "--input in --output out --crop_size 8") == 2
    told = "in/0801x4.png: its results would have the names of those of in/0801x2.png."
    assert told in capsys.readouterr().err


def test_uncovered_pixels_get_a_crop_above_the_threshold_only() -> None:
    assert Crops(8, 4, 0).starts(8) == [0]
    assert Crops(8, 4, 0).starts(9) == [0, 1]
    assert Crops(8, 4, 1).starts(9) == [0]
    assert Crops(8, 4, 1).starts(14) == [0, 4, 6]
    assert Crops(8, 20).starts(30) == [0, 20, 22]


def test_numbers_beyond_999_have_four_digits(tmp_path: Path) -> None:
    write_image(tmp_path / "in/a.png", pixels(1, 1001))
    derive(Crops(1, 1), [tmp_path / "in"], tmp_path / "out")
    assert (tmp_path / "out/a_s1001.png").exists()
    assert derive(Crops(1, 1), [tmp_path / "in"], tmp_path / "out").made == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_size": 0}, "crop_size: must be 1 or more, got 0"),
        ({"step": 0}, "step: must be 1 or more, got 0"),
        ({"thresh_size": -1}, "thresh_size: must be 0 or more, got -1"),
        ({"compression_level": 10}, "compression_level: must be 9 or less, got 10"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Crops(**settings)


def test_the_command_takes_presets_and_single_settings(tmp_path, run_script, capsys) -> None:
    write_image(tmp_path / "in/a.png", np.zeros((600, 800), np.uint8))
    # Rows and columns: (600 - 400) / 200 + 1 and (800 - 400) / 200 + 1, and so on.
    for arguments, count in (
        ("", 2 * 3),
        ("--preset sr", 2 * 3),
        ("--preset enhancement", 2 * 3),
        ("--preset enhancement --step 100", 3 * 5),
        ("--crop_size 300 --step 300 --thresh_size 200", 2 * 2),
    ):
        shutil.rmtree("out", ignore_errors=True)
        assert run_script(SCRIPT, f"--input in --output out {arguments}") == 0
        assert capsys.readouterr().out == f"out: {count} sub-images, {count} new\n"
    assert read_image("out/a_s001.png", mode="gray").shape == (300, 300)


def test_the_compression_level_is_used(tmp_path: Path, run_script) -> None:
    write_image(tmp_path / "in/a.png", np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    sizes = []
    for level in (0, 3):
        arguments = f"--input in --output {level} --crop_size 64 --compression_level {level}"
        assert run_script(SCRIPT, arguments) == 0
        sizes.append((tmp_path / f"{level}/a_s001.png").stat().st_size)
    assert sizes[1] < 64 * 64 / 4 < 64 * 64 < sizes[0]


def test_small_images_are_told_with_2_unless_they_may_be_skipped(tmp_path, run_script, capsys):
    for name, shape in (("a", (8, 9)), ("b", (7, 30)), ("c", (30, 7))):
        write_image(tmp_path / f"in/{name}.png", pixels(*shape))
    arguments = "--input in --output out --crop_size 8"
    assert run_script(SCRIPT, arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "in/b.png: is smaller than the crop of 8x8, got 7x30.",
        "in/c.png: is smaller than the crop of 8x8, got 30x7.",
    ]
    assert printed.out == "out: 2 sub-images, 2 new, 2 smaller than 8x8\n"
    assert run_script(SCRIPT, f"{arguments} --skip_small") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == "out: 2 sub-images, 0 new, 2 smaller than 8x8\n"
    (tmp_path / "in/d.png").write_bytes(b"")
    assert run_script(SCRIPT, f"{arguments} --skip_small") == 2
    assert capsys.readouterr().err == "in/d.png: the file is empty.\n"


def test_the_command_tells_what_it_makes_anew(tmp_path: Path, run_script, capsys) -> None:
    write_image(tmp_path / "in/a.png", pixels(8, 16))
    run_script(SCRIPT, "--input in --output out --crop_size 8 --step 8")
    capsys.readouterr()
    run_script(SCRIPT, "--input in --output out --crop_size 8 --step 4")
    assert "2 results are made anew; what changed: settings (step 8, now 4)." in (
        capsys.readouterr().err
    )
