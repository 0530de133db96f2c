"""Test images: low-quality ones by the degradation of an option file, and bicubic enlargements."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.core.errors import DataError
from smoothkit.core.signature import read_section
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import image_files
from smoothkit.models.degrade import Degradation
from smoothkit.ops.io import read_image, to_float, to_uint8, write_image
from smoothkit.ops.tensor import to_image, to_tensor


def degrade_folder(
    gt_dir: str | Path,
    out_dir: str | Path,
    section: Mapping[str, Any],
    scale: int,
    *,
    seed: int = 0,
) -> Iterator[Path]:
    """Write ``<stem>.png`` of each ground truth; yields the paths.

    Each image has draws of its own, from the seed and its name: others do not change them.

    Args:
        gt_dir: images with sides of at least ``scale``.
        out_dir: made where missing; files of the same names are replaced.
        section: ``degradation`` of an option file; crops and pool do not matter.
        scale: by which results are smaller.

    Raises:
        OptionError: a key of the section.
        DataError: an image cannot be used, two have one name, or sides are no multiples of
            ``scale``.
    """
    options = {"scale": scale, **section, "gt_size": scale, "pool_size": None}
    degradation = read_section(Degradation, options, "degradation")
    for path in _without_twins(gt_dir):
        image = read_image(path, alpha="drop")
        height, width = image.shape[:2]
        if height % scale or width % scale:
            raise DataError(
                f"{path}: must have sides that {scale} divides, got {height}x{width}. Crop it."
            )
        rng = np.random.default_rng([seed, zlib.crc32(os.fsencode(path.stem))])
        source = to_tensor(to_float(image))[None]
        lq = degradation.low_quality(source, degradation.draw(1, rng))[0]
        yield _written(out_dir, path, to_image(lq.float() / 255))


def enlarge_folder(
    lq_dir: str | Path, out_dir: str | Path, scale: int, *, suffix: str = "bicubic"
) -> Iterator[Path]:
    """Write ``<stem>_<suffix>.png``, enlarged as Matlab's ``imresize`` does; yields the paths.

    Raises:
        DataError: an image cannot be read, two have one name, or the disk cannot be written.
    """
    imresize = basicsr_part("utils.matlab_functions", "imresize")
    for path in _without_twins(lq_dir):
        small = torch.from_numpy(to_float(read_image(path, alpha="drop"))).permute(2, 0, 1)
        large = imresize(small, scale).permute(1, 2, 0).clamp(0, 1).numpy()
        yield _written(out_dir, path.with_stem(f"{path.stem}_{suffix}"), to_uint8(large))


def _without_twins(folder: str | Path) -> list[Path]:
    """Images of a folder, refused where two would get one result."""
    paths = image_files(folder)
    by_stem([path.name for path in paths], str(folder))
    return paths


def _written(out_dir: str | Path, path: Path, image: np.ndarray) -> Path:
    target = Path(out_dir) / f"{path.stem}.png"
    write_image(target, image)
    return target
