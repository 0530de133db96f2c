"""A small data set in VOC's layout, to try semantic guidance without VOC.

Its masks come of a classical segmentation: a class is a kind of colour and contrast that several
photographs share. It is not a data set to report figures on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import mean, standard_deviation
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb

from smoothkit.core.files import as_json, remove_leftovers
from smoothkit.core.parallel import in_threads
from smoothkit.data.file_hashes import digest_of
from smoothkit.data.origin import Origin
from smoothkit.data.prepare.filtering import read_photo
from smoothkit.data.prepare.numbering import refuse_twins, stem_of
from smoothkit.data.prepare.outputs import due_of_set, refuse_as_output
from smoothkit.data.provenance import Note, Writer
from smoothkit.data.store import image_files
from smoothkit.ops.io import encode_image, read_bytes, to_float
from smoothkit.ops.labels import IGNORE, encode_labels
from smoothkit.systems.csgis.voc import MASKS, PHOTOGRAPHS

# Chosen by looking at the masks of the sample photographs. Of the segmentation: preference for
# large regions, blur before it in pixels, least share of a photograph that a region has.
SCALE, SIGMA, LEAST_SHARE = 300.0, 0.8, 0.005
# What counts beside L*a*b*, in its units: the deviation of L*, and the way from top to bottom.
CONTRAST_WEIGHT, HEIGHT_WEIGHT = 1.0, 10.0
_ROUNDS = 50
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_COPIED = (".png", ".jpg", ".jpeg")


def make_sample_voc(
    photo_dirs: Sequence[str | Path],
    out_dir: str | Path,
    *,
    num_classes: int = 6,
    seed: int = 0,
    workers: int | None = None,
    overwrite: bool = False,
) -> list[float]:
    """Write ``JPEGImages`` and ``SegmentationClass``; returns each class's share of the pixels.

    Photographs are copied unchanged if they are PNG or JPEG, else written as PNG, so that nothing
    is lost. Masks are palette PNGs in VOC's colours; class 0 covers most, class 1 less, and so on;
    borders between classes, two pixels wide, are 255.

    Args:
        photo_dirs: folders of images, which get classes in common.
        out_dir: made where missing. Files are kept that its note says are made from these
            photographs with these settings, others that it tells of made anew or removed.
        num_classes: the background included; fewer where the photographs have fewer regions.
        seed: of the first guess of the classes.
        workers: threads; None for one for each usable CPU.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        DataError: no photographs, two of one name, one cannot be read, no note tells of an image in
            the folders of results, or a file cannot be written.
        ValueError: ``num_classes`` is not from 2 to 255.
    """
    if not 2 <= num_classes <= IGNORE:
        raise ValueError(f"num_classes: must be from 2 to {IGNORE}, got {num_classes}.")
    paths, out_dir = [path for folder in photo_dirs for path in image_files(folder)], Path(out_dir)
    refuse_twins(paths, [stem_of(path) for path in paths])
    refuse_as_output(out_dir, photo_dirs, (PHOTOGRAPHS, MASKS))
    with Note(out_dir) as note:
        masks = {out_dir / MASKS / f"{stem_of(path)}.png": path for path in paths}
        photos = {out_dir / PHOTOGRAPHS / _name(path): path for path in paths}
        files = [note.file(path) for path in paths]
        # A class is what all photographs have in common.
        together = f"{len(files)} images", digest_of(as_json(files).encode(errors="surrogatepass"))
        settings = {"num_classes": num_classes, "seed": seed}
        origins = {
            path: Origin({"photograph": file, "photographs": together}, settings=settings)
            for path, file in zip(masks, files, strict=True)
        }
        origins |= zip(photos, (Origin({"photograph": file}) for file in files), strict=True)
        due = due_of_set(note, origins, (PHOTOGRAPHS, MASKS), overwrite=overwrite)
        regions = list(in_threads(lambda path: segment(read_photo(path)), paths, workers))
        kinds, shares = _classes(paths, regions, num_classes, seed)
        for folder in (PHOTOGRAPHS, MASKS):
            remove_leftovers(out_dir / folder)
        write = Writer(note, origins.__getitem__, due)
        for target, labels in zip(masks, map(_labels, kinds, regions), strict=True):
            write(target, partial(encode_labels, labels))
        for target, path in photos.items():
            write(target, partial(_lossless, path))
    return shares


def _classes(
    paths: Sequence[Path], all_regions: Sequence[np.ndarray], num_classes: int, seed: int
) -> tuple[list[np.ndarray], list[float]]:
    """Classes of the regions of each photograph, and each class's share of the pixels."""
    all_features = [
        features_of(read_photo(path), regions)
        for path, regions in zip(paths, all_regions, strict=True)
    ]
    areas = [np.bincount(regions.ravel()) / regions.size for regions in all_regions]
    rng = np.random.default_rng(seed)
    kinds, shares = cluster(np.concatenate(all_features), np.concatenate(areas), num_classes, rng)
    return np.split(kinds, np.cumsum([len(area) for area in areas])[:-1]), shares


def _labels(kinds: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(H, W) uint8 classes of a photograph, 255 along their borders."""
    labels: np.ndarray = kinds[regions].astype(np.uint8)
    labels[cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, _CROSS) > 0] = IGNORE
    return labels


def segment(photo: np.ndarray) -> np.ndarray:
    """(H, W) numbers of regions, from 0, of a (H, W, 3) uint8 BGR photograph."""
    least = int(LEAST_SHARE * photo.shape[0] * photo.shape[1])
    regions: np.ndarray = felzenszwalb(
        photo[..., ::-1], scale=SCALE, sigma=SIGMA, min_size=least, channel_axis=-1
    )
    return regions


def features_of(photo: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(regions, 5) mean L*, a*, b*, deviation of L* and mean height, in units of L*a*b*."""
    lab = rgb2lab(to_float(photo[..., ::-1]))
    height = np.broadcast_to(np.linspace(0, 1, len(photo))[:, None], regions.shape)
    numbers = np.arange(regions.max() + 1)
    colors = [mean(lab[..., channel], regions, numbers) for channel in range(3)]
    contrast = CONTRAST_WEIGHT * standard_deviation(lab[..., 0], regions, numbers)
    return np.stack([*colors, contrast, HEIGHT_WEIGHT * mean(height, regions, numbers)], axis=1)


def cluster(
    points: np.ndarray, weights: np.ndarray, num: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[float]]:
    """Weighted k-means, begun as k-means++ does.

    Args:
        points: (n, d) positions.
        weights: (n,) above 0.
        num: clusters; fewer are made where fewer points differ.

    Returns:
        (n,) clusters, numbered by falling weight, and the share of the weight of each.
    """
    centres = points[rng.choice(len(points), 1, p=weights / weights.sum())]
    while len(centres) < num:
        spread = _squared_distances(points, centres).min(1) * weights
        if not spread.any():
            break
        new = points[rng.choice(len(points), 1, p=spread / spread.sum())]
        centres = np.concatenate([centres, new])
    for _ in range(_ROUNDS):
        own = _squared_distances(points, centres).argmin(1)
        for c in np.unique(own):
            centres[c] = np.average(points[own == c], axis=0, weights=weights[own == c])
    shares = np.bincount(own, weights, len(centres)) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    return np.argsort(order)[own], shares[order].tolist()


def _squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    squared: np.ndarray = np.square(points[:, None] - centres).sum(2)
    return squared


def _name(path: Path) -> str:
    """What a photograph is called in the data set."""
    suffix = path.suffix.lower()
    return f"{stem_of(path)}{suffix if suffix in _COPIED else '.png'}"


def _lossless(path: Path) -> bytes:
    """Content of a photograph that has all of its pixels."""
    if path.suffix.lower() in _COPIED:
        return read_bytes(path)
    return encode_image(read_photo(path))
