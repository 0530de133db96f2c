"""Sample photographs and textures: enough to try everything without a data set of one's own.

The pictures are those that scikit-image carries in its wheel; nothing is downloaded. Images are
uint8, BGR or grey, as on disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.ops.io import Mode, decode_image, write_image
from smoothkit.ops.textures import TEXTURES, periodic_tile, to_bytes

# Left out: stars, print and the like, which a smoother should not learn to keep.
PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "ihc": "ihc.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "text": "text.png",
}
TEST_PHOTOGRAPHS = ("chelsea", "coins", "rocket")
TEXTURE_PICTURES = ("brick", "grass", "gravel")

# Standard deviation of the drawn textures: from that of the brick picture to that of the gravel.
CONTRASTS = (0.10, 0.15)
# Larger pictures are shrunk first: a small window of one shows too little.
LARGEST_SIDE_IN_CROPS = 1.6


@dataclass(frozen=True)
class Split:
    """What ``make_samples`` wrote into one half of the split."""

    photographs: list[Path]
    textures: list[Path]


def make_samples(
    out_dir: str | Path,
    *,
    test_photographs: Sequence[str] = TEST_PHOTOGRAPHS,
    sides: tuple[int, int] = (256, 400),
    textures_per_kind: int = 4,
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Write ``{train,test}/{photographs,textures}/*.png``; the halves share no picture.

    All crops of a photograph are on one side. A drawn texture is drawn anew for each side; of a
    texture picture, three quarters of the area serve training and the fourth serves testing.

    Args:
        out_dir: made where missing; files of the same names are replaced.
        test_photographs: names from ``PHOTOGRAPHS``.
        sides: shortest and longest side of a photograph, in pixels.
        textures_per_kind: textures of each drawn kind in ``train``; ``test`` has a quarter of it.
        limit: at most this many photographs and textures on each side.
        seed: of the drawn textures and their contrasts.

    Raises:
        DataError: an unknown photograph, or a file that cannot be written.
    """
    _check_names(test_photographs)
    out_dir = Path(out_dir)
    splits = {}
    for split in ("train", "test"):
        is_test = split == "test"
        names = [name for name in PHOTOGRAPHS if (name in test_photographs) == is_test]
        num_drawn = max(textures_per_kind // 4, 1) if is_test else textures_per_kind
        photographs = sample_photographs(names, *sides)
        textures = sample_textures(num_drawn, seed, is_test=is_test)
        splits[split] = Split(
            _write(islice(photographs, limit), out_dir / split / "photographs"),
            _write(islice(textures, limit), out_dir / split / "textures"),
        )
    return splits


def sample_photographs(
    names: Sequence[str], min_side: int = 256, max_side: int = 400
) -> Iterator[tuple[str, np.ndarray]]:
    """(``<name>_<number>``, (H, W, 3) BGR) crops, the first of each photograph first."""
    crops = {name: photograph_crops(photograph(name), min_side, max_side) for name in names}
    for number in range(max((len(c) for c in crops.values()), default=0)):
        for name in names:
            if number < len(crops[name]):
                yield f"{name}_{number}", crops[name][number]


def sample_textures(
    num_per_kind: int, seed: int, *, is_test: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """(``<kind>_<number>``, (h, w) grey) textures, the first of each kind first."""
    for number in range(num_per_kind):
        for kind, draw in TEXTURES.items():
            rng = _texture_rng(kind, number, seed, is_test)
            yield f"{kind}_{number}", to_bytes(draw(rng), rng.uniform(*CONTRASTS))
    for number, scale in enumerate((1, 2)):
        for name in TEXTURE_PICTURES:
            for quarter, piece in _quarters(_picture(f"{name}.png", "gray"), is_test):
                small = _resized(piece, 1 / scale)
                tile = periodic_tile(small, overlap=len(small) // 8)
                yield f"{name}{quarter}_{number}", to_bytes(tile, piece.std() / 255)


def photograph(name: str) -> np.ndarray:
    """(H, W, 3) BGR picture of ``PHOTOGRAPHS``; grey ones have equal channels.

    Raises:
        DataError: no photograph has this name, or the installed scikit-image lacks it.
    """
    _check_names([name])
    return _picture(PHOTOGRAPHS[name], "color")


def photograph_crops(image: np.ndarray, min_side: int, max_side: int) -> list[np.ndarray]:
    """Windows of an image that do not overlap, then the whole image made smaller.

    Args:
        image: (H, W, 3). It is shrunk to a longer side of at most 1.6 ``max_side`` and enlarged to
            a shorter side of at least ``min_side``.
        min_side, max_side: what the sides of the results lie between.

    Returns:
        Windows in reading order; the whole image only where there are several windows and its
        shorter side does not fall below ``min_side``.
    """
    image = _resized(image, min(1.0, LARGEST_SIDE_IN_CROPS * max_side / max(image.shape[:2])))
    image = _resized(image, max(1.0, min_side / min(image.shape[:2])))
    rows, columns = (_spans(side, min_side, max_side) for side in image.shape[:2])
    crops = [image[row, column] for row in rows for column in columns]
    whole = _resized(image, max_side / max(image.shape[:2]))
    return [*crops, whole] if len(crops) > 1 and min(whole.shape[:2]) >= min_side else crops


def _spans(side: int, min_side: int, max_side: int) -> list[slice]:
    """The most slices of at least ``min_side`` that fit, evenly spread, cut to ``max_side``."""
    count = side // min_side
    length = min(side // count, max_side)
    starts = [(2 * i + 1) * side // (2 * count) - length // 2 for i in range(count)]
    return [slice(start, start + length) for start in starts]


def _quarters(picture: np.ndarray, is_test: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Number and pixels of the quarters that belong to a side of the split."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    for number in [3] if is_test else [0, 1, 2]:
        top, left = number // 2 * height, number % 2 * width
        yield number, picture[top : top + height, left : left + width]


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return image
    size = [round(side * scale) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _picture(file_name: str, mode: Mode) -> np.ndarray:
    file = resources.files("skimage") / "data" / file_name
    if not file.is_file():
        raise DataError(
            f"{file}: missing; this scikit-image does not carry it. Install scikit-image 0.26."
        )
    return decode_image(file.read_bytes(), str(file), mode)


def _texture_rng(kind: str, number: int, seed: int, is_test: bool) -> np.random.Generator:
    # By name, so that another kind or a larger number leaves the other textures as they are.
    return np.random.default_rng([seed, zlib.crc32(kind.encode()), number, is_test])


def _write(images: Iterator[tuple[str, np.ndarray]], folder: Path) -> list[Path]:
    paths = []
    for name, image in images:
        paths.append(folder / f"{name}.png")
        write_image(paths[-1], image)
    return paths


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name not in PHOTOGRAPHS:
            raise DataError(f"{name}: no such photograph. Known: {', '.join(PHOTOGRAPHS)}.")
