"""Segmentation masks: what is decoded, and what is refused with the reason."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smoothkit.core.errors import DataError
from smoothkit.ops.labels import (
    decode_labels,
    encode_labels,
    is_stored_as_labels,
    read_labels,
    voc_palette,
)

LABELS = np.random.default_rng(0).choice([0, 2, 15, 20, 255], (9, 13)).astype(np.uint8)
COLORS = voc_palette()[LABELS]


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_palette(indices: np.ndarray, palette: np.ndarray) -> bytes:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette(palette.astype(np.uint8).tobytes())
    return saved(image)


def requantised() -> bytes:
    """The colours of a mask under the indices in which they first occur."""
    order, indices = np.unique(LABELS, return_inverse=True)
    return with_palette(indices.reshape(LABELS.shape)[:, ::-1], voc_palette()[order])


def refusal(data: bytes, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        decode_labels(data, "seg/3.png", **options)
    assert str(error.value).startswith("seg/3.png: ")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_palette_has_the_published_colours() -> None:
    expected = {1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128)}
    expected |= {20: (0, 64, 128), 255: (224, 224, 192)}
    assert {k: tuple(voc_palette()[k].tolist()) for k in expected} == expected
    assert len(np.unique(voc_palette(), axis=0)) == 256


@pytest.mark.parametrize(
    "data",
    [
        encode_labels(LABELS),
        with_palette(LABELS, np.random.default_rng(1).integers(0, 256, (256, 3))),
        with_palette(LABELS, np.zeros((256, 3))),
        saved(Image.fromarray(LABELS)),
        saved(Image.fromarray(np.dstack([LABELS] * 3))),
        saved(Image.fromarray(COLORS)),
    ],
    ids=["voc palette", "own palette", "black palette", "grey", "equal channels", "colours"],
)
def test_every_kind_of_mask_gives_the_same_classes(data: bytes) -> None:
    labels = decode_labels(data, "seg/3.png")
    np.testing.assert_array_equal(labels, LABELS)
    assert labels.dtype == np.uint8
    assert labels.flags.writeable


def test_small_palettes_of_few_bits_are_indices_too() -> None:
    few = (LABELS == 2).astype(np.uint8)
    data = with_palette(few, np.array([[0, 0, 0], [10, 200, 30]]))
    assert data[24] == 1  # bits per pixel
    np.testing.assert_array_equal(decode_labels(data, "x.png"), few)


def test_written_labels_are_read_back_and_are_coloured_by_class(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(encode_labels(LABELS))
    np.testing.assert_array_equal(read_labels(tmp_path / "0.png"), LABELS)
    np.testing.assert_array_equal(Image.open(tmp_path / "0.png").convert("RGB"), COLORS)
    with pytest.raises(ValueError, match=r"labels: must be \(H, W\) uint8, got \(9, 13, 3\)"):
        encode_labels(COLORS)


def test_only_files_of_indices_may_be_copied_as_they_are() -> None:
    assert is_stored_as_labels(encode_labels(LABELS))
    assert is_stored_as_labels(saved(Image.fromarray(LABELS)))
    assert not is_stored_as_labels(saved(Image.fromarray(COLORS)))


@pytest.mark.parametrize("colored", [False, True])
def test_another_number_of_classes_and_ignored_value_hold(colored: bool) -> None:
    labels = np.array([[0, 21, 255]], np.uint8)
    image = voc_palette()[labels] if colored else labels
    data = saved(Image.fromarray(image))
    assert decode_labels(data, "x.png", num_classes=22).tolist() == [[0, 21, 255]]
    told = refusal(data)
    assert ("(128, 64, 128) (RGB)" if colored else "the value 21") in told
    assert "at row 0, column 1" in told
    assert "num_classes" in told


@pytest.mark.parametrize("make", [encode_labels, lambda labels: saved(Image.fromarray(labels))])
def test_values_that_are_no_class_are_named_with_their_place(make) -> None:
    labels = LABELS.copy()
    labels[4, 7] = labels[5, 0] = 22
    told = refusal(make(labels))
    assert "holds the value 22 at row 4, column 7; classes are 0 to 20 (num_classes 21)" in told


def test_a_colour_that_is_no_class_is_named_with_its_place() -> None:
    colors = COLORS.copy()
    colors[1, 2] = (128, 0, 1)
    assert "the colour (128, 0, 1) (RGB) at row 1, column 2" in refusal(
        saved(Image.fromarray(colors))
    )


@pytest.mark.parametrize("num_classes", [8, 21, 128])
def test_grey_colours_whose_levels_are_no_classes_are_colours(num_classes: int) -> None:
    labels = np.array([[0, 7], [7, 7]], np.uint8)
    data = saved(Image.fromarray(voc_palette()[labels]))
    np.testing.assert_array_equal(decode_labels(data, "x.png", num_classes), labels)


def test_equal_channels_that_may_be_levels_or_colours_are_refused() -> None:
    colors = voc_palette()[np.array([[0, 0], [7, 0]])]
    assert refusal(saved(Image.fromarray(colors)), num_classes=200) == (
        "seg/3.png: may hold grey levels or VOC's colours: at row 1, column 0 the level 128 is "
        "class 128, the colour (128, 128, 128) class 7. Save class indices as a grey 8-bit PNG."
    )
    grey = saved(Image.fromarray(colors[..., 0]))
    assert decode_labels(grey, "x.png", num_classes=200).tolist() == [[0, 0], [128, 0]]


@pytest.mark.parametrize(("other", "told"), [(5, 128), (30, 30)])
def test_equal_channels_are_not_read_as_levels_here_and_colours_there(
    other: int, told: int
) -> None:
    levels = np.array([[0, other, 128]], np.uint8)
    assert f"holds the value {told} " in refusal(saved(Image.fromarray(np.dstack([levels] * 3))))
    labels = decode_labels(saved(Image.fromarray(np.dstack([levels] * 3))), "x.png", 200)
    np.testing.assert_array_equal(labels, levels)


def test_classes_whose_palette_was_made_anew_are_refused() -> None:
    told = refusal(requantised())
    assert "the palette has VOC's colours in another order: index 1 at row 0, column " in told
    assert "is coloured (0, 128, 0), VOC's class 2" in told
    assert "Take the original mask" in told


@pytest.mark.parametrize("dither", list(Image.Dither)[::3], ids=str)
@pytest.mark.parametrize("label", [1, 2, 8, 9, 20])
def test_colours_under_pils_web_palette_are_refused(label: int, dither: Image.Dither) -> None:
    colors = voc_palette()[np.pad(np.full((8, 8), label), 1)]
    counted_anew = Image.fromarray(colors).convert("P", dither=dither)
    told = refusal(saved(counted_anew))
    assert "the palette is PIL's web palette: index " in told
    assert "at row 1, column 1" in told
    assert "no class of VOC's" in told


def test_the_web_palette_is_known_without_the_entries_that_no_pixel_has() -> None:
    web = np.zeros((14, 3), np.uint8)
    web[12:] = (102, 0, 0), (153, 0, 0)
    assert "index 12 at row 0, column 1 is coloured (102, 0, 0)" in refusal(
        with_palette(np.array([[0, 12, 13]]), web)
    )
    web[11] = 1  # somebody's own
    assert decode_labels(with_palette(np.array([[0, 12]]), web), "x.png").tolist() == [[0, 12]]


def test_background_alone_is_background_under_the_web_palette_too() -> None:
    data = saved(Image.new("RGB", (3, 2)).convert("P"))
    np.testing.assert_array_equal(decode_labels(data, "x.png"), np.zeros((2, 3)))


def test_a_palette_of_other_colours_goes_by_its_indices_even_if_some_are_vocs() -> None:
    palette = np.array([[0, 0, 0], [0, 128, 0], [1, 2, 3]])
    indices = np.array([[0, 1, 2]])
    assert decode_labels(with_palette(indices, palette), "x.png").tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (saved(Image.fromarray(COLORS), "JPEG"), "must be a PNG, which keeps its values, got JPEG"),
        (saved(Image.fromarray(COLORS), "WebP"), "must be a PNG, .* got WebP"),
        (saved(Image.fromarray(LABELS), "TIFF"), "must be a PNG, .* got TIFF"),
        (saved(Image.fromarray(LABELS.astype(np.uint16))), "8 bits per channel, got 16"),
        (saved(Image.fromarray(LABELS > 0)), "8 bits per channel, got 1"),
        (saved(Image.fromarray(np.dstack([COLORS, LABELS]))), "must have no alpha channel"),
        (saved(Image.fromarray(LABELS).convert("LA")), "must have no alpha channel"),
        (encode_labels(LABELS)[:-60], "damaged or cut off"),
        (encode_labels(LABELS)[:40], "damaged"),
        (b"", "the file is empty"),
        (b"rubbish", "is not a PNG"),
    ],
    ids=["jpeg", "webp", "tiff", "deep", "bits", "rgba", "la", "cut", "header", "empty", "other"],
)
def test_what_is_no_mask_is_refused_with_the_reason(data: bytes, told: str) -> None:
    assert re.search(told, refusal(data))
