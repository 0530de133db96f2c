"""Images on disk with their trimaps and, where there are some, their alphas."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.data.origin import File
from smoothkit.data.protocols import by_stem
from smoothkit.data.provenance import Note
from smoothkit.data.store import open_store
from smoothkit.ops.io import Alpha, kind_fault
from smoothkit.systems.lsa.mattes import check_size, partners, plane_of
from smoothkit.systems.lsa.trimap import (
    Levels,
    checked_trimap,
    looks_inverted,
    use_of,
)

log = logging.getLogger(__name__)

Layout = Literal["composition", "alphamatting", "alphamatting_training"]


@dataclass(frozen=True)
class Folders:
    """Where the three kinds of files are; several folders of trimaps are versions of each other."""

    images: str
    trimaps: Sequence[str]
    alphas: str | None


@dataclass(frozen=True)
class Triple:
    """Pixels and paths of one image.

    Args:
        image: (H, W, 3) BGR, uint8 or uint16.
        trimap: (H, W) uint8 of 0, 128 and 255.
        alpha: (H, W) uint8 or uint16, or None.
        paths: of the batch: ``lq_path``, ``trimap_path`` and, with alpha, ``gt_path``.
    """

    image: np.ndarray
    trimap: np.ndarray
    alpha: np.ndarray | None
    paths: dict[str, str]


class Triples:
    """The images of a folder, in order of name, with what belongs to each.

    Args:
        folders: folders or ``.lmdb``; trimaps and alphas are found by the images' names. One called
            ``x`` also serves ``x_3`` and the like that have none of their own.
        levels: refuse trimaps with levels other than 0, 128 and 255, or snap them.
        alpha: refuse or drop the alpha channel of an image.

    Raises:
        DataError: a folder is missing, has no images or two of one name, or images lack a trimap
            or an alpha; all of them are named.
    """

    def __init__(self, folders: Folders, *, levels: Levels, alpha: Alpha) -> None:
        self._images = open_store(folders.images, option="dataroot_image")
        by_stem(self._images.names, self._images.root)  # results of twins would have one name
        self._trimaps = [open_store(f, option="dataroot_trimap") for f in folders.trimaps]
        self._alphas = (
            open_store(folders.alphas, option="dataroot_alpha") if folders.alphas else None
        )
        self._trimap_names = [
            partners(self._images, s, "trimap", are_shared=True) for s in self._trimaps
        ]
        self._alpha_names: dict[str, str] = {}
        if self._alphas is not None:
            self._alpha_names = partners(self._images, self._alphas, "alpha", are_shared=True)
        self._levels: Levels = levels
        self._alpha: Alpha = alpha
        self._told: set[str] = set()
        self._sound: set[tuple[int, str]] = set()

    @property
    def names(self) -> list[str]:
        """Of the images."""
        return self._images.names

    @property
    def num_trimaps(self) -> int:
        """Versions of the trimap that each image has."""
        return len(self._trimaps)

    def read(self, name: str, version: int = 0) -> Triple:
        """Pixels of an image with a version of its trimap.

        Raises:
            DataError: a file cannot be used, sizes differ, or the trimap is the wrong way round.
        """
        path, trimap_path = self._images.path(name), self._trimap_path(name, version)
        image = self._images.read(name, alpha=self._alpha)
        stored = self._trimaps[version].read(self._trimap_names[version][name], "whole")
        trimap = checked_trimap(stored, trimap_path, levels=self._levels)
        check_size(trimap_path, trimap.shape, path, image.shape)
        self._warn_of_useless(trimap, trimap_path)
        paths = {"lq_path": path, "trimap_path": trimap_path}
        if self._alphas is None:
            return Triple(image, trimap, None, paths)
        alpha_path = self._alphas.path(self._alpha_names[name])
        alpha = plane_of(self._alphas.read(self._alpha_names[name], "whole"), alpha_path)
        check_size(alpha_path, alpha.shape, path, image.shape)
        if looks_inverted(trimap, alpha):
            raise DataError(
                f"{trimap_path}: has foreground and background interchanged, as {alpha_path} "
                "tells. Invert it: 255 is foreground."
            )
        return Triple(image, trimap, alpha, {**paths, "gt_path": alpha_path})

    def sources(self, name: str, note: Note) -> dict[str, File]:
        """Names and hashes of an image and the first version of its trimap.

        Raises:
            DataError: a file cannot be read.
        """
        trimap = note.stored(self._trimaps[0], self._trimap_names[0][name])
        return {"image": note.stored(self._images, name), "trimap": trimap}

    def check(self, name: str) -> None:
        """Refuse what headers tell cannot be used, and trimaps by their levels, each file once.

        Raises:
            DataError: names the file.
        """
        path, header = self._images.path(name), self._images.header(name)
        if fault := kind_fault(header, alpha=self._alpha):
            raise DataError(f"{path}: {fault}")
        others = [(s, n[name]) for s, n in zip(self._trimaps, self._trimap_names, strict=True)]
        if self._alphas is not None:
            others.append((self._alphas, self._alpha_names[name]))
        for store, other in others:
            found = store.header(other)
            if fault := kind_fault(found, alpha="drop"):
                raise DataError(f"{store.path(other)}: {fault}")
            size = (header.height, header.width)
            check_size(store.path(other), (found.height, found.width), path, size)
        for version in range(self.num_trimaps):
            self._check_trimap(version, self._trimap_names[version][name])

    def _check_trimap(self, version: int, trimap: str) -> None:
        """Refuse what ``read`` would of the pixels of a trimap, which may belong to several."""
        if (version, trimap) in self._sound:
            return
        store = self._trimaps[version]
        checked_trimap(store.read(trimap, "whole"), store.path(trimap), levels=self._levels)
        self._sound.add((version, trimap))

    def _trimap_path(self, name: str, version: int) -> str:
        return self._trimaps[version].path(self._trimap_names[version][name])

    def _warn_of_useless(self, trimap: np.ndarray, path: str) -> None:
        """Once for each kind: such trimaps are no error, but seldom what was meant."""
        kind = use_of(trimap)
        if kind is None:
            return
        if kind not in self._told:
            self._told.add(kind)
            log.warning("%s: has %s. Further ones like it are not reported.", path, kind)


def find_folders(
    dataroot: str | None,
    layout: Layout,
    trimap_sets: Sequence[int],
    *,
    images: str | None,
    trimaps: Sequence[str] | None,
    alphas: str | None,
) -> Folders:
    """The folders that are given, and for the others those below ``dataroot``.

    Args:
        layout: ``composition``: ``merged``, ``trimaps`` and ``alpha_copy``; ``alphamatting``:
            ``input_lowres``, ``trimap_lowres/Trimap<n>`` and ``gt_lowres``; with
            ``alphamatting_training`` each has ``_training`` before ``_lowres``. Where only the
            other of these two is there, it is taken. The last of three folders may be missing.
        trimap_sets: numbers n of the trimaps of alphamatting.com.

    Raises:
        OptionError: neither a folder nor ``dataroot`` is given.
    """
    if dataroot is None:
        needed = {"dataroot_image": images, "dataroot_trimap": trimaps}
        if faults := [
            Fault(key, "is missing. Give it, or dataroot, the folder of all.")
            for key, value in needed.items()
            if not value
        ]:
            raise OptionError(faults)
        return Folders(images or "", trimaps or (), alphas)
    root = Path(dataroot)
    if layout == "composition":
        found = Folders(str(root / "merged"), [str(root / "trimaps")], str(root / "alpha_copy"))
    else:
        end = _ending(root, layout)
        found = Folders(
            str(root / f"input{end}"),
            [str(root / f"trimap{end}" / f"Trimap{number}") for number in trimap_sets],
            str(root / f"gt{end}"),
        )
    has_alphas = found.alphas is not None and Path(found.alphas).exists()
    return Folders(
        images or found.images,
        trimaps or found.trimaps,
        alphas or (found.alphas if has_alphas else None),
    )


def _ending(root: Path, layout: Layout) -> str:
    """Of the folders of alphamatting.com."""
    endings = ["_lowres", "_training_lowres"]
    if layout == "alphamatting_training":
        endings.reverse()
    return next((end for end in endings if (root / f"input{end}").exists()), endings[0])
