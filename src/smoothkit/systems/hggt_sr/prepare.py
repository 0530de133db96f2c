"""Preparing data and files of the super-resolution experiments."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import link_or_copy
from smoothkit.core.weights import save_file
from smoothkit.data.store import FolderStore
from smoothkit.ops.io import read_header
from smoothkit.ops.label_votes import NAMES
from smoothkit.systems.hggt_sr.labels import Labels

Way = Literal["link", "copy"]


def labelled_files(images: str | Path, labels: Labels, word: str) -> Iterator[Path]:
    """The enhanced pictures that carry a label, in order of set and version.

    Args:
        images: folder of ``01/<set>_01.png``, ...
        word: positive, similar or negative.

    Raises:
        DataError: a picture with that label is missing.
    """
    code = NAMES.index(word)
    for row, column in np.argwhere(labels.codes == code):
        version = labels.versions[column]
        path = Path(images) / version / f"{labels.names[row]}_{version}.png"
        if not path.exists():
            raise DataError(f"{path}: missing, though it has labels.")
        yield path


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
            continue
        if way == "link":
            link_or_copy(path, target)
            continue
        out_dir.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        shutil.copyfile(path, partial)
        os.replace(partial, target)
    return len(files)


def folder_faults(images: str | Path, labels: Labels) -> list[str]:
    """What is wrong with the pictures that labels speak of: missing, unreadable, of other sizes."""
    faults = []
    # The published options say Original where the data have original.
    folders = {path.name.lower(): path.name for path in Path(images).glob("*")}
    for name in labels.names:
        first: tuple[int, int] | None = None
        for version in ("original", *labels.versions):
            stem = name if version == "original" else f"{name}_{version}"
            path = Path(images) / folders.get(version, version) / f"{stem}.png"
            try:
                header = read_header(path)
            except DataError as error:
                faults.append(str(error))
                continue
            size = (header.height, header.width)
            first = first or size
            if size != first:
                faults.append(
                    f"{path}: must have the size of the others of its set, "
                    f"{first[0]}x{first[1]}, got {size[0]}x{size[1]}."
                )
    return faults


def choose_images(
    source: str | Path, target: str | Path, number: int, *, seed: int = 0, way: Way = "copy"
) -> list[str]:
    """Some images of a folder, drawn without replacement, into another; returns their names.

    Raises:
        DataError: the folder has fewer.
    """
    names = FolderStore(source).names
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
    import pickle
    import sys

    import torch

    from smoothkit.systems.hggt_sr.arch import LocNet

    main = sys.modules["__main__"]
    had = getattr(main, "LocNet", None)
    main.LocNet = LocNet  # type: ignore[attr-defined]  # where the published program had its class
    try:
        module = torch.load(source, map_location="cpu", weights_only=False)
        state = {key: value.clone() for key, value in module.state_dict().items()}
    except (AttributeError, pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
        raise DataError(f"{source}: holds no pickled module: {error}") from error
    finally:
        if had is None:
            del main.LocNet
        else:
            main.LocNet = had  # type: ignore[attr-defined]
    save_file(target, {"params": state})
    return len(state)
