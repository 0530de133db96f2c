"""Preparing data and files of the super-resolution experiments."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import link_or_copy, write_bytes
from smoothkit.core.weights import save_file
from smoothkit.data.store import image_files
from smoothkit.ops.io import read_bytes
from smoothkit.ops.label_votes import NAMES
from smoothkit.systems.hggt_sr.labels import Labels
from smoothkit.systems.hggt_sr.pictures import ORIGINAL, Pictures

# What reading a file that is no pickled module, or one of an unknown program, ends in.
_NO_MODULE = (
    AttributeError, ImportError, KeyError, pickle.UnpicklingError, EOFError, RuntimeError, OSError
)  # fmt: skip

Way = Literal["link", "copy"]


def labelled_files(images: str | Path, labels: Labels, word: str) -> Iterator[Path]:
    """The enhanced pictures that carry a label, in order of set and version.

    Args:
        images: folder of ``01/<set>_01.png``, ...
        word: positive, similar or negative.

    Raises:
        DataError: a picture with that label is missing.
    """
    pictures = Pictures(images, option="--image_dir")
    for row, column in np.argwhere(labels.codes == NAMES.index(word)):
        yield Path(pictures.path(labels.names[row], labels.versions[column]))


def gather(files: Sequence[Path], out_dir: str | Path, way: Way) -> int:
    """Put files into one folder under their own names; returns how many.

    Raises:
        DataError: a name that is there already as another file, or a disk that cannot be written.
    """
    out_dir = Path(out_dir)
    for path in files:
        target = out_dir / path.name
        if target.exists() and not os.path.samefile(path, target):
            if target.read_bytes() != path.read_bytes():
                raise DataError(f"{target}: is there already, with other content.")
        elif way == "link":
            link_or_copy(path, target)
        else:
            write_bytes(target, read_bytes(path))
    return len(files)


def folder_faults(images: str | Path, labels: Labels) -> list[str]:
    """What is wrong with pictures: missing, unreadable, of other sizes, or without labels."""
    pictures = Pictures(images, option="--image_dir")
    faults = []
    for name in labels.names:
        versions, sizes = [], []
        for version in (ORIGINAL, *labels.versions):
            try:
                header = pictures.header(name, version)
            except DataError as error:
                faults.append(str(error))
                continue
            versions.append(version)
            sizes.append((header.height, header.width))
        try:
            pictures.check_sizes(name, versions, sizes)
        except DataError as error:
            faults.append(str(error))
    return [*faults, *(f"{p}: has no labels." for p in pictures.without_labels(labels.names))]


def choose_images(
    source: str | Path, target: str | Path, number: int, *, seed: int = 0, way: Way = "copy"
) -> list[str]:
    """Some images of a folder, drawn without replacement, into another; returns their names.

    Raises:
        DataError: the folder has fewer.
    """
    names = [path.name for path in image_files(source)]
    if len(names) < number:
        raise DataError(f"{source}: has {len(names)} images, fewer than {number}.")
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(names, number, replace=False).tolist())
    gather([Path(source) / name for name in chosen], target, way)
    return chosen


def convert_pickled_network(source: str | Path, target: str | Path) -> int:
    """A file that holds a whole pickled module, as a plain state dict; returns its entries.

    Loading it RUNS THE CODE inside the file: only for files of those whom you trust.

    Raises:
        DataError: it is no such file.
    """
    import sys

    import torch

    from smoothkit.systems.hggt_sr.arch import LocNet

    main = sys.modules["__main__"]
    had = getattr(main, "LocNet", None)
    main.LocNet = LocNet  # type: ignore[attr-defined]  # where the published program had its class
    try:
        module = torch.load(source, map_location="cpu", weights_only=False)
        state = {
            key.removeprefix("module."): value.clone() for key, value in module.state_dict().items()
        }
    except _NO_MODULE as error:
        raise DataError(f"{source}: holds no pickled module: {error}") from error
    finally:
        if had is None:
            del main.LocNet
        else:
            main.LocNet = had  # type: ignore[attr-defined]
    save_file(target, {"params": state})
    return len(state)
