"""Periodic texture tiles: drawn from a generator, or cut out of a picture.

A tile is a (h, w) float64 array of arbitrary scale that continues across its border when repeated.
``TEXTURES`` has the drawn kinds by name; elements are 5 to 28 pixels large, tiles 96 to 192.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np

TILE = 128


def weave(rng: np.random.Generator) -> np.ndarray:
    """Plain weave: threads cross over and under each other in turn."""
    y, x, thread = _cells(rng, 7, 16)
    across, along = np.sin(np.pi * (y % 1)), np.sin(np.pi * (x % 1))
    is_weft = (np.floor(x) + np.floor(y)) % 2 == 0
    shading = np.where(is_weft, across * (0.5 + 0.5 * along), along * (0.5 + 0.5 * across))
    return _irregular(shading, thread, rng)


def knit(rng: np.random.Generator) -> np.ndarray:
    """Columns of V-shaped stitches."""
    y, x, stitch = _cells(rng, 9, 22)
    slope = rng.uniform(0.5, 1.0)
    loop = np.abs(2 * (x % 1) - 1)
    shading = np.cos(2 * np.pi * (y - slope * loop)) * np.sin(np.pi * loop) + 0.5 * loop
    return _irregular(shading, stitch, rng)


def dots(rng: np.random.Generator) -> np.ndarray:
    """Discs of equal size on a square or staggered lattice, each of its own brightness."""
    y, x, distance = _cells(rng, 8, 22)
    if rng.random() < 0.5:
        x = x + 0.5 * (np.floor(y) % 2)
    radius = rng.uniform(0.2, 0.42)
    count = round(float(np.floor(y).max()) + 1)
    brightness = rng.uniform(0.5, 1, (count, count))
    brightness = brightness[np.floor(y).astype(int), np.floor(x).astype(int) % count]
    from_centre = np.hypot(x % 1 - 0.5, y % 1 - 0.5)
    disc = np.clip((radius - from_centre) * distance + 0.5, 0, 1)
    return _irregular(brightness * disc, distance, rng)


def hatching(rng: np.random.Generator) -> np.ndarray:
    """Parallel lines in one or two directions."""
    y, x = np.mgrid[:TILE, :TILE] / TILE
    period = rng.uniform(5, 20)
    sharpness = rng.uniform(0.5, 4)
    first_angle = rng.uniform(0, np.pi)
    tile = np.zeros((TILE, TILE))
    for angle in (first_angle, first_angle + rng.uniform(0.8, 1.6))[: rng.integers(1, 3)]:
        # Whole numbers of waves per tile keep it periodic; they bend the angle a little.
        across, down = np.rint(TILE / period * np.array([np.cos(angle), np.sin(angle)]))
        tile += np.tanh(sharpness * np.sin(2 * np.pi * (across * x + down * y)))
    return _irregular(tile, period, rng)


def strokes(rng: np.random.Generator) -> np.ndarray:
    """Short straight strokes, light and dark, mostly in one direction."""
    length, spread = rng.uniform(8, 28), rng.uniform(0.05, 0.8)
    main_angle = rng.uniform(0, np.pi)
    canvas = np.zeros((3 * TILE, 3 * TILE), np.float32)
    for _ in range(int(TILE**2 / (2.5 * length))):
        angle = main_angle + spread * rng.standard_normal()
        step = length / 2 * np.array([np.cos(angle), np.sin(angle)])
        ends = np.rint(TILE + rng.uniform(0, TILE, 2) + np.stack([-step, step])).astype(int)
        start, end = ends.tolist()
        cv2.line(canvas, start, end, rng.uniform(-1, 1), 1, cv2.LINE_AA)
    # What was drawn beyond the tile comes in again on its other side.
    folded = canvas.reshape(3, TILE, 3, TILE)
    num_drawn = np.maximum((folded != 0).sum((0, 2)), 1)
    padded = np.pad(folded.sum((0, 2)) / num_drawn, 4, "wrap")
    blurred: np.ndarray = cv2.GaussianBlur(padded, (0, 0), rng.uniform(0.4, 0.8))
    return blurred[4:-4, 4:-4]


def mosaic(rng: np.random.Generator) -> np.ndarray:
    """Stones of irregular shape and brightness with dark joints."""
    size = rng.uniform(9, 26)
    centres = rng.uniform(0, TILE, (2, 1, int((TILE / size) ** 2)))
    offset = np.abs(np.arange(TILE)[:, None] - centres)
    y, x = np.minimum(offset, TILE - offset)
    distance = np.hypot(y[:, None], x[None])
    first, second = np.partition(distance, 1)[..., :2].transpose(2, 0, 1)
    joint = np.clip((second - first) / rng.uniform(1.5, 4), 0, 1)
    brightness = rng.uniform(0.5, 1, centres.size // 2)
    tile: np.ndarray = joint * brightness[distance.argmin(-1)]
    return tile


def band_noise(rng: np.random.Generator) -> np.ndarray:
    """Noise with details of about one size."""
    return _band(rng, period=rng.uniform(4, 16), width=rng.uniform(0.2, 0.7))


def labyrinth(rng: np.random.Generator) -> np.ndarray:
    """Winding light and dark lines of one width."""
    lines = _band(rng, period=rng.uniform(8, 22), width=0.12)
    tile: np.ndarray = np.tanh(rng.uniform(1, 4) * lines / lines.std())
    return tile


TEXTURES: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = MappingProxyType(
    {
        function.__name__: function
        for function in (weave, mosaic, band_noise, knit, strokes, dots, labyrinth, hatching)
    }
)


def periodic_tile(picture: np.ndarray, overlap: int) -> np.ndarray:
    """A picture made periodic: its last rows and columns fade into its first ones.

    Args:
        picture: (h, w) grey of any type.
        overlap: pixels that each side loses.

    Returns:
        (h - overlap, w - overlap) float64, mean removed.
    """
    tile: np.ndarray = picture - picture.mean()
    # Sine and cosine, so that parts that do not match add up to their own contrast.
    fade = np.sin(np.pi / 2 * np.arange(1, overlap + 1) / (overlap + 1))[:, None]
    for _ in range(2):
        inner = tile[:-overlap].copy()
        inner[:overlap] = fade * tile[:overlap] + fade[::-1] * tile[-overlap:]
        tile = inner.T
    return tile


def to_bytes(tile: np.ndarray, contrast: float) -> np.ndarray:
    """uint8 around 128 whose standard deviation is ``contrast`` (in [0, 1]) before clipping."""
    deviation = tile.std()
    unit = (tile - tile.mean()) / deviation if deviation > 0 else np.zeros_like(tile)
    return np.clip(np.rint(128 + 255 * contrast * unit), 0, 255).astype(np.uint8)


def _cells(
    rng: np.random.Generator, smallest: int, largest: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Row and column in cells of each pixel, and the side of a cell; an even number per tile."""
    side = int(rng.integers(smallest, largest + 1))
    count = 2 * max(round(TILE / side / 2), 2)
    y, x = np.mgrid[: side * count, : side * count] / side
    return y, x, side


def _irregular(tile: np.ndarray, element: float, rng: np.random.Generator) -> np.ndarray:
    """The tile slightly warped and unevenly lit, as nothing made or grown is quite regular."""
    amount = rng.uniform(0, 0.12)
    noise = [_band(rng, tile.shape[0] / 3, 0.5, tile.shape) for _ in range(3)]
    shift_y, shift_x, light = (n / n.std() for n in noise)
    y, x = np.mgrid[: tile.shape[0], : tile.shape[1]]
    where_y, where_x = y + amount * element * shift_y, x + amount * element * shift_x
    warped: np.ndarray = cv2.remap(
        tile,
        where_x.astype(np.float32),
        where_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    warped *= 1 + amount * light
    return warped


def _band(
    rng: np.random.Generator, period: float, width: float, shape: tuple[int, ...] = (TILE, TILE)
) -> np.ndarray:
    """Periodic noise around one period in pixels; ``width`` is relative, in frequency."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    gain = np.exp(-(((frequency * period - 1) / width) ** 2) / 2)
    gain[0, 0] = 0
    return np.fft.irfft2(gain * np.fft.rfft2(rng.standard_normal(shape)), s=shape)
