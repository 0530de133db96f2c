"""The enhanced versions of a photograph: which there are, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.options import read_options
from smoothkit.core.signature import read_section, value_faults
from smoothkit.core.weights import find_checkpoint
from smoothkit.models.load import load_model
from smoothkit.ops.filters import apply_filter, check_filter, settings_of

ORIGINAL = "original"
# Where the published files are to be put, and from where they come.
PUBLISHED_DIR = "experiments/pretrained_models/enhancement"
PUBLISHED_SOURCE = "https://drive.google.com/drive/folders/1o9ZgSsv6ZkA6SB6nC0mOqynKGUygi552"

Enhance = Callable[[np.ndarray], np.ndarray]
Amp = Literal["off", "auto", "bf16", "fp16"]


@dataclass(frozen=True)
class Version:
    """One enhanced version of every photograph.

    Args:
        folder: its name, such as ``01``.
        suffix: behind the stems of its files; by default ``_<folder>``.
        weights: of the network that makes it, or
        method: the classical filter that makes it.
        tile_size, tile_pad: of the network, as ``load_model`` takes them.
        options: of the filter its settings; of the network its section, where the weights do not
            tell it.

    Raises:
        ValueError: a folder that is none, or not one of ``weights`` and ``method``.
    """

    folder: str
    suffix: str | None = None
    weights: str | None = None
    method: str | None = None
    tile_size: int | Literal["auto"] = "auto"
    tile_pad: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folder or self.folder in (ORIGINAL, ".", "..") or "/" in self.folder:
            raise ValueError(
                f"folder: must be the name of a folder of its own, got {self.folder!r}."
            )
        if "/" in self.ending or not self.ending:
            raise ValueError(f"suffix: must be part of a file name, got {self.suffix!r}.")
        if (self.weights is None) == (self.method is None):
            raise ValueError("must have 'weights' (a file) or 'method' (the name of a filter).")
        if self.method is not None and (self.tile_size != "auto" or self.tile_pad is not None):
            raise ValueError("tile_size, tile_pad: belong to 'weights'; filters take whole images.")

    @property
    def ending(self) -> str:
        """What stands behind the stem of a photograph."""
        return f"_{self.folder}" if self.suffix is None else self.suffix

    def files(self) -> dict[str, Path]:
        """The files that its results depend on beside the photograph.

        Raises:
            DataError: the weights are not there.
        """
        return {} if self.weights is None else {"model": find_checkpoint(self.weights)}

    def settings(self) -> dict[str, Any]:
        """What else its results depend on."""
        if self.method is not None:
            return {"filter": self.method, **settings_of(self.method), **self.options}
        tiles = {"tile_size": self.tile_size, "tile_pad": self.tile_pad}
        return {**tiles, "network": self.options or None}

    def enhancer(self, device: str, amp: Amp) -> Enhance:
        """A function of (H, W, 3) BGR uint8 images; of a network, loaded.

        Raises:
            DataError, OptionError: as ``load_model``.
        """
        if self.method is not None:
            method = self.method
            return lambda image: apply_filter(method, image, self.options)
        assert self.weights is not None
        restorer = load_model(
            self.weights,
            network=self.options or None,
            device=device,
            amp=amp,
            tile_size=self.tile_size,
            tile_pad=self.tile_pad,
        )
        return lambda image: restorer.restore(image, "bgr")


def published() -> list[Version]:
    """The four of the paper: strong denoising by 01 and 03, strong sharpening by 02 and 04."""
    names = {"01": "RCAN_01", "02": "RCAN_02", "03": "ELAN_03", "04": "ELAN_04"}
    return [
        Version(folder, weights=f"{PUBLISHED_DIR}/{name}.pth", tile_size=1024, tile_pad=24)
        for folder, name in names.items()
    ]


def classical() -> list[Version]:
    """Four filters with their defaults, for who has no weights."""
    methods = ("denoise_sharpen", "unsharp", "clahe", "detail_boost")
    return [Version(f"{number:02}", method=m) for number, m in enumerate(methods, 1)]


PRESETS: Mapping[str, Callable[[], list[Version]]] = {"hggt": published, "classical": classical}


def read_versions(path: str | Path) -> list[Version]:
    """The versions of a YAML file with a list ``versions``.

    Raises:
        OptionError: what is wrong in it, by file, line and key.
    """
    file = read_options(path)
    rows: Any = file.data.get("versions")
    faults = [*file.faults, *value_faults(rows, list[dict[str, Any]], "versions")]
    faults += [Fault(key, "is not read here.") for key in file.data if key != "versions"]
    if faults:
        raise file.error(faults)
    versions = []
    for number, row in enumerate(rows):
        try:
            versions.append(read_section(Version, row, f"versions.{number}"))
        except OptionError as error:
            faults += error.faults
    if faults:
        raise file.error(faults)
    return versions


def check_versions(versions: Sequence[Version]) -> None:
    """Look at all that can be known before a photograph is read.

    Raises:
        OptionError: no version, two of one folder, or a filter that is none or refuses its options.
        DataError: weights that are not there, all of which are named.
    """
    if not versions:
        raise OptionError("versions: is empty, so there is nothing to make.")
    folders = [version.folder for version in versions]
    if twice := sorted({folder for folder in folders if folders.count(folder) > 1}):
        raise OptionError(f"versions: several have the folder {twice[0]}. Give each its own.")
    missing = []
    for version in versions:
        if version.method is not None:
            check_filter(version.method, version.options)
        try:
            version.files()
        except DataError as error:
            missing.append(str(error))
    if missing:
        hint = f" The published files: {PUBLISHED_SOURCE}." if PUBLISHED_DIR in missing[0] else ""
        raise DataError(" ".join(missing) + hint)
