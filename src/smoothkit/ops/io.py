"""Image files: reading, writing, headers, and the step between bytes and [0, 1].

Arrays are BGR as OpenCV has them, (H, W, 3) or (H, W), uint8 or uint16. Nothing here needs torch;
``ops.tensor`` goes on from there.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import stat
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from smoothkit.core.errors import DataError
from smoothkit.core.files import write_bytes
from smoothkit.core.log import warn_once
from smoothkit.ops.png import bare_head, transparent_level

log = logging.getLogger(__name__)

Mode = Literal["color", "gray", "unchanged", "whole"]
Kind = Literal["grey", "color", "alpha", "cmyk"]
Rounding = Literal["round", "truncate"]
Alpha = Literal["refuse", "drop"]
Cmyk = Literal["refuse", "convert"]

_JPEG = (".jpg", ".jpeg", ".jfif")
SUFFIXES = frozenset((".png", *_JPEG, ".webp", ".tif", ".tiff", ".bmp"))

# Images are turned here, so that pixels always fit the header: OpenCV reads less of the EXIF.
_FLAGS = {
    "color": cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION,
    "gray": cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION,
    "unchanged": cv2.IMREAD_UNCHANGED,
    "whole": cv2.IMREAD_UNCHANGED,
}
# What to do to stored pixels for each EXIF orientation: transpose, flip rows, flip columns.
_UPRIGHT = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# By class, since Image.open warns about large images and refuses very large ones.
_OPENERS: dict[bytes, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    b"\x89PNG": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}
_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS = 256, 257, 258
_PNG_MAGIC = b"\x89PNG"
_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_PNG_END = b"IEND\xaeB`\x82"
_HOLDS_16_BITS = frozenset((".png", ".tif", ".tiff"))

# Every refusal below names the file, so OpenCV's own lines about it would only flood the log.
if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of its image before any pixel is decoded.

    Args:
        height, width: in pixels, upright (after the EXIF orientation, as ``read_image`` gives it).
        channels: as stored, alpha included; a palette counts as the colours that it stands for.
        depth: bits per channel: 8, 16, or 32.
        kind: ``alpha`` for grey or colour with transparency.
        orientation: of the stored pixels, as in EXIF; 1 is upright.
        frames: of an animation, or pages; the first one is what is read.
    """

    height: int
    width: int
    channels: int
    depth: int
    kind: Kind
    orientation: int = 1
    frames: int = 1


def read_image(
    path: str | Path, *, mode: Mode = "color", alpha: Alpha = "refuse", cmyk: Cmyk = "refuse"
) -> np.ndarray:
    """Pixels of an image file, uint8 or uint16 as stored.

    Args:
        path: PNG, JPEG, WebP, TIFF or BMP; any name that the file system allows.
        mode: ``color`` gives (H, W, 3) BGR, grey replicated; ``gray`` gives (H, W); ``unchanged``
            gives the stored channels (BGRA with alpha), without EXIF rotation but of TIFFs;
            ``whole`` gives (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, upright.
        alpha: refuse or drop transparency; not asked in ``unchanged`` and
            ``whole``.
        cmyk: refuse CMYK, or convert it without colour management; not asked in ``unchanged``.

    Raises:
        DataError: missing, empty, truncated, undecodable, or refused; the message names the file.
    """
    return decode_image(read_bytes(path), str(path), mode, alpha=alpha, cmyk=cmyk)


def decode_image(
    data: bytes,
    name: str,
    mode: Mode = "color",
    *,
    alpha: Alpha = "refuse",
    cmyk: Cmyk = "refuse",
) -> np.ndarray:
    """``read_image`` for the content of a file; ``name`` is what messages call it."""
    header = None
    if mode != "unchanged":
        header = decode_header(data, name)
        refusal = kind_fault(header, alpha="drop" if mode == "whole" else alpha, cmyk=cmyk)
        if refusal:
            raise DataError(f"{name}: {refusal}")
        if mode == "whole" and header.kind == "cmyk":
            mode = "color"
    elif not data:
        raise DataError(f"{name}: the file is empty.")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[mode])
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded: {error.err}.") from error
    if image is None:
        raise DataError(f"{name}: cannot be decoded; the file is damaged or cut off.")
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{name}: must have 8 or 16 bits per channel, got {image.dtype}.")
    if header is None:
        return image
    if mode == "whole" and header.kind == "alpha" and image.ndim == 2:
        image = _with_transparent_level(image, data)
    # OpenCV turns TIFFs itself, whatever it is told.
    return image if data.startswith(_TIFF_MAGIC) else _turned(image, header.orientation)


def read_bytes(path: str | Path) -> bytes:
    """Content of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            return file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def read_header(path: str | Path) -> ImageHeader:
    """Header of an image file; the pixels are not decoded.

    Raises:
        DataError: missing, empty, or no image.
    """
    try:
        with _opened(path) as file:
            return _header(file, str(path))
    except OSError as error:
        raise _unreadable(path, error) from error


def decode_header(data: bytes, name: str) -> ImageHeader:
    """``read_header`` for the content of a file."""
    return _header(io.BytesIO(data), name)


def kind_fault(
    header: ImageHeader, *, alpha: Alpha = "refuse", cmyk: Cmyk = "refuse"
) -> str | None:
    """Why an image is refused as a plain colour image, or None."""
    if header.depth > 16:
        return f"must have 8 or 16 bits per channel, got {header.depth}."
    if header.kind == "alpha" and alpha == "refuse":
        return "has an alpha channel. Remove it, or set 'alpha: drop' in an option file."
    if header.kind == "cmyk" and cmyk == "refuse":
        return "is a CMYK image. Convert it to RGB, or set 'cmyk: convert' where that can be set."
    return None


def is_whole_png(path: str | Path) -> bool:
    """True for a PNG file that is there with its end; the pixels are not decoded."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(_PNG_END), os.SEEK_END)
            return file.read() == _PNG_END
    except OSError:
        return False


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image in the format of the extension; the file is whole or not there.

    Args:
        path: its folder is made where missing.
        image: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, or uint16 for PNG and TIFF.

    Raises:
        DataError: unknown extension, a depth that the format cannot hold, a full disk.
    """
    write_bytes(path, encode_image(image, Path(path).suffix, name=str(path)))


def encode_image(
    image: np.ndarray, suffix: str = ".png", *, name: str = "image", params: tuple[int, ...] = ()
) -> bytes:
    """Content of an image file.

    Args:
        image: as in ``write_image``.
        suffix: of the format, with its dot.
        name: what messages call it.
        params: OpenCV's encoder settings, key and value in turn.

    Raises:
        DataError: unknown suffix, or a depth or alpha that the format cannot hold.
    """
    suffix = suffix.lower()
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image: must be uint8 or uint16, got {image.dtype}.")
    if suffix not in SUFFIXES:
        raise DataError(
            f"{name}: no image format has the extension '{suffix}'. "
            f"Use one of {', '.join(sorted(SUFFIXES))}."
        )
    if image.dtype == np.uint16 and suffix not in _HOLDS_16_BITS:
        raise DataError(f"{name}: '{suffix}' cannot hold 16 bits. Use .png or .tif.")
    if image.ndim == 3 and image.shape[2] == 4 and suffix in _JPEG:
        raise DataError(f"{name}: '{suffix}' cannot hold alpha. Use .png, .tif or .webp.")
    try:
        # OpenCV has no encoder of the name .jfif.
        is_encoded, data = cv2.imencode(".jpg" if suffix in _JPEG else suffix, image, params)
    except cv2.error as error:
        raise DataError(f"{name}: cannot be encoded: {error.err}.") from error
    if not is_encoded:
        raise DataError(f"{name}: cannot be encoded as '{suffix}'.")
    return data.tobytes()


def to_float(image: np.ndarray) -> np.ndarray:
    """uint8 or uint16 as float32 in [0, 1], same shape.

    Raises:
        ValueError: another dtype.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image: must be uint8 or uint16, got {image.dtype}.")
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def to_uint8(image: np.ndarray, rounding: Rounding = "round") -> np.ndarray:
    """Floats in [0, 1] as uint8, clipped; ``truncate`` is what the smoothing references do.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    # float64: 255 times a float32 of k/255 may fall just below k, which truncation has to see.
    levels = np.clip(_finite(image).astype(np.float64) * 255.0, 0.0, 255.0)
    return (np.rint(levels) if rounding == "round" else levels).astype(np.uint8)


def to_uint16(image: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] as uint16, clipped and rounded; errors as for ``to_uint8``."""
    levels = np.clip(_finite(image).astype(np.float64) * 65535.0, 0.0, 65535.0)
    return np.rint(levels).astype(np.uint16)


def _opened(path: str | Path) -> IO[bytes]:
    # Opening a pipe would wait for somebody to write to it; one of a shell's <(...) is meant.
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or str(path).startswith("/dev/")):
        raise OSError(errno.EINVAL, "it is a pipe or a device, where a file is to be")
    return open(path, "rb")


def _finite(image: np.ndarray) -> np.ndarray:
    """Floats that have a level; NaN would become a black pixel without a word."""
    is_finite = np.isfinite(image)
    if not is_finite.all():
        count = image.size - np.count_nonzero(is_finite)
        raise ValueError(f"the result holds NaN or infinity in {count} of {image.size} values.")
    return image


def _header(file: IO[bytes], name: str) -> ImageHeader:
    magic = file.read(4)
    file.seek(0)
    if not magic:
        raise DataError(f"{name}: the file is empty.")
    opener = next((cls for key, cls in _OPENERS.items() if magic.startswith(key)), None)
    if opener is None:
        raise DataError(f"{name}: is not a PNG, JPEG, WebP, TIFF or BMP image.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged tags; what matters fails below
            image = opener(io.BytesIO(bare_head(file)) if magic == _PNG_MAGIC else file)
            width, height = _stored_size(image)
            orientation = _orientation(image)
            if orientation >= 5:  # stored lying on its side
                width, height = height, width
            channels, kind = _channels(image)
            depth, frames = _depth(image), _frames(image)
    except Exception as error:  # of any kind: what a damaged file makes of a decoder is open
        raise DataError(f"{name}: the header of the image is damaged.") from error
    if frames > 1:
        warn_once(log, "%s: holds %d frames, the first one was taken.", name, frames)
    return ImageHeader(height, width, channels, depth, kind, orientation, frames)


def _with_transparent_level(image: np.ndarray, data: bytes) -> np.ndarray:
    """Grey as BGRA; OpenCV gives no alpha for the transparent level of a grey PNG."""
    level = transparent_level(io.BytesIO(data))
    opaque = np.iinfo(image.dtype).max
    alpha = np.where(image == level, 0, opaque).astype(image.dtype)
    return np.dstack([image, image, image, alpha])


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    is_lying, flips_rows, flips_columns = _UPRIGHT.get(orientation, (False, False, False))
    image = image.swapaxes(0, 1) if is_lying else image
    image = image[::-1] if flips_rows else image
    return np.ascontiguousarray(image[:, ::-1] if flips_columns else image)


def _unreadable(path: str | Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file.")
    return DataError(f"{path}: cannot be read: {error.strerror}.")


def _stored_size(image: Image.Image) -> tuple[int, int]:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Whether PIL turns the size of a TIFF depends on its version; the tags do not.
        return int(image.tag_v2[_TIFF_WIDTH]), int(image.tag_v2[_TIFF_HEIGHT])
    return image.size


def _channels(image: Image.Image) -> tuple[int, Kind]:
    if image.mode == "CMYK":
        return 4, "cmyk"
    is_color = image.mode not in ("1", "L", "LA", "La", "I", "F") and image.mode[:2] != "I;"
    count = 3 if is_color else 1
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return count + 1, "alpha"
    return count, "color" if is_color else "grey"


def _depth(image: ImageFile.ImageFile) -> int:
    """PIL calls 16-bit colour plain RGB, so the bits come from how it would read the pixels."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits: tuple[int, ...] = image.tag_v2.get(_TIFF_BITS, (8,))
        return max(8, *bits)
    raw = str(image.tile[0][3]) if image.tile else ""
    return 16 if "16" in raw else 8


def _frames(image: ImageFile.ImageFile) -> int:
    if isinstance(
        image,
        PngImagePlugin.PngImageFile | WebPImagePlugin.WebPImageFile | TiffImagePlugin.TiffImageFile,
    ):
        return int(image.n_frames)
    return 1


def _orientation(image: Image.Image) -> int:
    found = 1
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        found = image.tag_v2.get(_EXIF_ORIENTATION, 1)
    elif "exif" in image.info:
        exif = Image.Exif()
        # Of any kind: an EXIF that nobody can read must not spoil an image that is sound.
        with suppress(Exception):
            exif.load(image.info["exif"])
            found = exif.get(_EXIF_ORIENTATION, 1)
    return found if found in _UPRIGHT else 1
