"""A validation part of a folder of pairs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.data.store import FolderStore, image_files


def draw_val(
    names: Iterable[str], fraction: float, seed: int, num_small: int = 0
) -> tuple[set[str], set[str]]:
    """Names that are drawn for validation, and those of them that are drawn again.

    Args:
        fraction: of all names; rounded down.
        seed: of the draws.
        num_small: how many are drawn again; that changes nothing of the first draw.

    Raises:
        ValueError: ``fraction`` is not between 0 and 1, or ``num_small`` above what is drawn.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: must be between 0 and 1, got {fraction}.")
    rng, pool = np.random.default_rng(seed), sorted(names)
    chosen = sorted(rng.choice(pool, int(fraction * len(pool)), replace=False).tolist())
    if num_small > len(chosen):
        raise ValueError(f"num_small: must be at most {len(chosen)}, got {num_small}.")
    return set(chosen), set(rng.choice(chosen, num_small, replace=False).tolist())


def split_val(
    train_dir: str | Path, val_dir: str | Path, *, fraction: float = 0.1, seed: int = 0
) -> list[Path]:
    """Move a random part of the pairs to the validation folder; returns where they are now.

    The draw is made over both folders together, so that running it again changes nothing, and a run
    that was cut short is completed.

    Args:
        train_dir, val_dir: the second is made where missing, on the same disk.
        fraction: of all images; rounded down.
        seed: of the draw.

    Raises:
        ValueError: ``fraction`` is not between 0 and 1.
        DataError: no images, ``val_dir`` holds images that the draw leaves in ``train_dir``, or
            they cannot be moved.
    """
    train, val = Path(train_dir), Path(val_dir)
    in_train = [path.name for path in image_files(train)]
    in_val = FolderStore(val).names if val.exists() else []
    chosen, _ = draw_val({*in_train, *in_val}, fraction, seed)
    if others := sorted(set(in_val) - chosen):
        raise DataError(
            f"{val / others[0]}: is not of this draw (fraction {fraction}, seed {seed}). "
            f"Move the images of {val} back to {train} first."
        )
    _move({train / name: val / name for name in sorted(chosen - set(in_val))}, val)
    return [val / name for name in sorted(chosen)]


def _move(files: Mapping[Path, Path], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in files.items():
            os.replace(source, target)
    except OSError as error:
        raise DataError(f"{folder}: cannot move images there: {error.strerror}.") from error
