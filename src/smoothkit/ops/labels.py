"""Segmentation masks: class indices from palette, grey and coloured PNGs, and back.

A mask is right only to the last bit, so what is known to change classes is refused: lossy formats,
colours that stand for no class, VOC's colours under other indices, and PIL's web palette, which
``Image.convert("P")`` gives coloured masks. Any other palette is taken for somebody's own and goes
by its indices: whether a tool has made them anew from colours cannot be told.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from smoothkit.core.errors import DataError
from smoothkit.ops.io import ImageHeader, decode_header, read_bytes
from smoothkit.ops.png import bare

# The class in which VOC keeps what is not to be judged: the borders of objects.
IGNORE = 255
# What to say of masks in which no class but 0 and that number occurs.
NO_OBJECTS = (
    "no mask holds a class but 0, the background. Objects want numbers from 1; "
    f"{IGNORE} counts as none, also in masks of 0 and {IGNORE}."
)
NUM_CLASSES = 21  # of Pascal VOC, with its background

_PNG_MAGIC = b"\x89PNG"
_OTHER_FORMATS = {b"\xff\xd8\xff": "JPEG", b"RIFF": "WebP", b"BM": "BMP", b"II": "TIFF"}
# Where the header of a PNG has its bits per sample and its colour type, and what that means.
_BITS, _COLOR_TYPE = 24, 25
_GREY, _PALETTE = 0, 3
_QUANTISED = (
    "It was saved in colours and quantised again. "
    "Take the original mask, or save it in RGB colours."
)


def read_labels(
    path: str | Path, num_classes: int = NUM_CLASSES, ignore: int = IGNORE
) -> np.ndarray:
    """(H, W) uint8 class indices of a mask's file; see ``decode_labels``."""
    return decode_labels(read_bytes(path), str(path), num_classes, ignore)


def decode_labels(
    data: bytes, name: str, num_classes: int = NUM_CLASSES, ignore: int = IGNORE
) -> np.ndarray:
    """(H, W) uint8 class indices of a mask: below ``num_classes``, or ``ignore``.

    A palette PNG gives its indices, whatever their colours; an 8-bit grey one its levels; an RGB
    one of three equal channels those, where all of them are classes; any other RGB one the classes
    of VOC's colours, of which (224, 224, 192) is ``ignore``.

    Args:
        data: content of the file.
        name: what messages call it.

    Raises:
        DataError: no whole PNG of one of these kinds; a value or colour that is no class; an RGB
            one of equal channels that are classes as levels and others as VOC's colours; VOC's
            colours under other indices than VOC's, or colours of PIL's web palette, which masks
            saved in colours and quantised again have.
    """
    if refusal := _kind_fault(decode_header(data, name), data):
        raise DataError(f"{name}: {refusal}")
    image = _loaded(data, name)
    pixels, color_type = np.array(image), data[_COLOR_TYPE]
    if color_type == _PALETTE:
        _check_palette(pixels, image, name, num_classes)
        return _checked(pixels, name, num_classes, ignore)
    if color_type == _GREY:
        return _checked(pixels, name, num_classes, ignore)
    if (pixels == pixels[..., :1]).all():
        return _classes_of_equal_channels(pixels, name, num_classes, ignore)
    return _classes_of_colors(pixels, name, num_classes, ignore)


def is_stored_as_labels(data: bytes) -> bool:
    """True for a file whose pixels are the class indices themselves: it may be copied as it is.

    Args:
        data: content of a file that ``decode_labels`` takes.
    """
    return data.startswith(_PNG_MAGIC) and data[_COLOR_TYPE] in (_PALETTE, _GREY)


def encode_labels(labels: np.ndarray) -> bytes:
    """Content of a palette PNG in VOC's colours.

    Args:
        labels: (H, W) uint8 class indices, 255 for borders.

    Raises:
        ValueError: another shape or dtype.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(f"labels: must be (H, W) uint8, got {labels.shape} {labels.dtype}.")
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@lru_cache(maxsize=1)
def voc_palette() -> np.ndarray:
    """(256, 3) uint8 RGB colours of VOC's classes; read-only.

    Bits 0, 1, 2 of a class are the highest bits of red, green and blue, its next three bits the
    second highest, and so on.

    Source: the development kit of Pascal VOC.
    """
    classes = np.arange(256)[:, None]
    palette = np.zeros((256, 3), np.uint8)
    for place in range(3):
        bits = classes >> (3 * place + np.arange(3)) & 1
        palette |= (bits << (7 - place)).astype(np.uint8)
    palette.flags.writeable = False
    return palette


def _kind_fault(header: ImageHeader, data: bytes) -> str | None:
    """Why an image cannot be a mask as far as its header tells, or None."""
    if not data.startswith(_PNG_MAGIC):
        kind = next((k for magic, k in _OTHER_FORMATS.items() if data.startswith(magic)), "TIFF")
        return (
            f"a mask must be a PNG, which keeps its values, got {kind}. "
            "Take the original mask, or save class indices as an 8-bit PNG."
        )
    bits, color_type = data[_BITS], data[_COLOR_TYPE]
    if header.kind == "alpha" and color_type != _PALETTE:
        return "a mask must have no alpha channel. Save it without."
    if bits > 8 or (bits < 8 and color_type != _PALETTE):
        # Below 8 bits a grey level may mean itself or its share of 255.
        return (
            f"a grey or coloured mask must have 8 bits per channel, got {bits}. "
            "Save class indices as an 8-bit PNG."
        )
    if header.orientation != 1:
        return f"a mask must be stored upright, got the EXIF orientation {header.orientation}."
    return None


def _loaded(data: bytes, name: str) -> Image.Image:
    """With PIL, which keeps indices where OpenCV looks up their colours."""
    try:
        # By class, since Image.open warns of large images.
        image = PngImagePlugin.PngImageFile(io.BytesIO(bare(io.BytesIO(data))))
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise DataError(
            f"{name}: cannot be decoded; the file is damaged or cut off. Copy it again."
        ) from error
    return image


def _checked(labels: np.ndarray, name: str, num_classes: int, ignore: int) -> np.ndarray:
    """The labels, if all of them are classes."""
    is_bad = (labels >= num_classes) & (labels != ignore)
    if is_bad.any():
        row, column = _first(is_bad)
        raise DataError(
            f"{name}: holds the value {labels[row, column]} at row {row}, column {column}; "
            f"classes are 0 to {num_classes - 1} (num_classes {num_classes}) and {ignore}. "
            "Raise num_classes, or take a mask of class indices."
        )
    return labels


def _check_palette(labels: np.ndarray, image: Image.Image, name: str, num_classes: int) -> None:
    """Refuse palettes whose order means nothing: PIL's web palette, VOC's colours mixed up."""
    used = _used_levels(labels)
    palette = _palette_of(image)
    colors = palette[used]
    if (webs := _web_indices(palette))[used].any():
        row, column = _first(webs[labels])
        index = labels[row, column]
        raise DataError(
            f"{name}: the palette is PIL's web palette: index {index} at row {row}, column "
            f"{column} is coloured {tuple(palette[index].tolist())}, no class of VOC's. "
            f"{_QUANTISED}"
        )
    of_colors, is_color = _voc_classes(colors, num_classes)
    wrong = np.flatnonzero(of_colors != used)
    if not wrong.size or not is_color.all():
        return
    if len(np.unique(of_colors)) < len(used) or (palette == palette[0]).all():
        return  # colours that tell no classes apart, as some tools write, say nothing
    index, color = used[wrong[0]], tuple(colors[wrong[0]].tolist())
    row, column = _first(labels == index)
    raise DataError(
        f"{name}: the palette has VOC's colours in another order: index {index} at row {row}, "
        f"column {column} is coloured {color}, VOC's class {of_colors[wrong[0]]}. {_QUANTISED}"
    )


def _web_indices(palette: np.ndarray) -> np.ndarray:
    """(256,) bool: the indices of PIL's web palette that have its colours; none in others.

    Entries may be missing or black: other tools drop what no pixel uses.
    """
    web = _palette_of(Image.new("RGB", (1, 1)).convert("P"))
    # Not its black ones, which are background in VOC's colours too.
    in_both: np.ndarray = np.logical_and(web.any(axis=1), palette.any(axis=1))
    is_web = (palette == web)[in_both].all()
    return in_both if is_web else np.zeros(256, bool)


def _palette_of(image: Image.Image) -> np.ndarray:
    """(256, 3) uint8; entries that the file lacks are black."""
    palette = np.zeros((256, 3), np.uint8)
    entries = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(entries)] = entries
    return palette


def _used_levels(levels: np.ndarray) -> np.ndarray:
    """The different ones among uint8 levels, as uint8 in rising order."""
    return np.flatnonzero(np.bincount(levels.ravel(), minlength=256)).astype(np.uint8)


def _voc_classes(colors: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The class, uint8, that has each of the (..., 3) uint8 colours, and whether there is one."""
    planes = cv2.split(colors.reshape(-1, 1, 3))
    classes = np.bitwise_or.reduce(
        [cv2.LUT(plane, bits) for plane, bits in zip(planes, _bits_of_levels(), strict=True)]
    )
    is_class = (classes < num_classes) | (classes == IGNORE)
    for plane, levels in zip(planes, voc_palette().T.copy(), strict=True):
        is_class &= cv2.LUT(classes, levels) == plane
    return classes.reshape(colors.shape[:-1]), is_class.reshape(colors.shape[:-1])


@lru_cache(maxsize=1)
def _bits_of_levels() -> np.ndarray:
    """(3, 256) uint8: the bits of a class that a level of red, green or blue sets."""
    levels = np.arange(256)
    bits = np.zeros((3, 256), np.uint8)
    for bit in range(8):
        channel, place = bit % 3, 7 - bit // 3
        bits[channel] |= ((levels >> place & 1) << bit).astype(np.uint8)
    return bits


def _classes_of_equal_channels(
    pixels: np.ndarray, name: str, num_classes: int, ignore: int
) -> np.ndarray:
    """Levels or VOC's greys, such as those of classes 0 and 7: whichever all pixels can be."""
    levels = pixels[..., 0]
    used = _used_levels(levels)
    of_colors, is_color = _voc_classes(used[:, None].repeat(3, axis=1), num_classes)
    if not is_color.all():
        return _checked(levels, name, num_classes, ignore)
    if not ((used < num_classes) | (used == ignore)).all():
        return _classes_of_colors(pixels, name, num_classes, ignore)
    different = np.flatnonzero(of_colors != used)
    if not different.size:
        return levels
    level, of_color = used[different[0]], of_colors[different[0]]
    row, column = _first(levels == level)
    raise DataError(
        f"{name}: may hold grey levels or VOC's colours: at row {row}, column {column} the level "
        f"{level} is class {level}, the colour {(int(level),) * 3} class {of_color}. "
        "Save class indices as a grey 8-bit PNG."
    )


def _classes_of_colors(pixels: np.ndarray, name: str, num_classes: int, ignore: int) -> np.ndarray:
    labels, is_known = _voc_classes(pixels, num_classes)
    if not is_known.all():
        row, column = _first(~is_known)
        raise DataError(
            f"{name}: has the colour {tuple(pixels[row, column].tolist())} (RGB) at row {row}, "
            f"column {column}, which is none of VOC's for {num_classes} classes (num_classes). "
            "Take the original mask, or save class indices as an 8-bit PNG."
        )
    labels[labels == IGNORE] = ignore
    return labels


def _first(where: np.ndarray) -> tuple[int, int]:
    """Row and column of the first True, in reading order."""
    row, column = divmod(int(where.argmax()), where.shape[1])
    return row, column
