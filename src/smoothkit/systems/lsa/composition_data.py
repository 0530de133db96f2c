"""Training images composed while training, from foregrounds with alpha and backgrounds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor
from torch.utils.data import get_worker_info

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.parallel import in_threads
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.core.signature import read_section
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.data.store import ImageStore, open_store
from smoothkit.ops.io import Alpha, ImageHeader, kind_fault
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.augment import PRESETS, Chances, Preset, apply, sample
from smoothkit.systems.lsa.cache import Cache
from smoothkit.systems.lsa.mattes import check_size, partners, plane_of, to_8_bits

log = logging.getLogger(__name__)

Compose = Literal["device", "worker"]

_SHOWN = 10


@DATASET_REGISTRY.register
class MattingCompositionDataset(ImageDataset):
    """Random foregrounds before each background.

    Items, float32 in [0, 1], T the training size: ``fg`` and ``bg``, (3, T, T), not normalised, or
    with ``compose: worker`` instead of them ``image``, fg * gt + bg * (1 - gt); ``gt``, the alpha,
    (1, T, T); ``trimap``, (1, T, T) in {0, 128/255, 1}; ``fg_path``, ``bg_path`` and ``gt_path``.

    There is an item for each background; its foreground is drawn anew each time. Images of 16 bits
    are rounded to 8, in which all of this is done.

    Args:
        dataroot: folder with the reference's folders ``kappa_fg`` (or else ``fg``), ``alpha`` and
            ``coco_bg``; the three options that follow may replace each of them.
        dataroot_fg: folder or ``.lmdb`` of foregrounds, of any size.
        dataroot_alpha: of their alphas, in any format, by the names of the foregrounds.
        dataroot_bg: of backgrounds.
        extra_fg, extra_alpha: further foregrounds with their alphas (``train_add_test`` of the
            reference).
        preset: ``baseline``: by what the published code trains; ``official``: its other pipeline,
            with blur, resizing and jitter of colours.
        chances: how probable single steps are (``augment.Chances``), where not as in the preset.
        train_size: T.
        crop_size: smallest and largest side of the window that is resized to T.
        keep_aspect: cut a background to the foreground's aspect ratio; false stretches it to the
            foreground's size, as the reference does.
        alpha_snap: alpha levels this near to 0 or 255 are moved there, as JPEG makes many of them
            and all count as unknown; 0, as in the reference, moves none.
        compose: where foreground and background are put together: on the training device, by the
            model, or here.
        cache_mb: of decoded foregrounds, with their alphas, that each data worker keeps, since
            each meets many backgrounds; 0 keeps none.
        alpha: refuse or drop the alpha channel of a foreground or background file.

    Raises:
        DataError: a folder is missing or has no images, or foregrounds have no alpha; names them.
        OptionError: a folder is not given, or an option is out of range.

    Source: LSA-Matting (arXiv 2112.13809), published code. Differs: ``keep_aspect``; every sample
    has random numbers of its own; folders are listed when the data set is opened.
    """

    def __init__(
        self,
        dataroot: str | None = None,
        dataroot_fg: str | None = None,
        dataroot_alpha: str | None = None,
        dataroot_bg: str | None = None,
        extra_fg: str | None = None,
        extra_alpha: str | None = None,
        preset: Preset = "baseline",
        chances: dict[str, Any] | None = None,
        train_size: int = 640,
        crop_size: tuple[int, int] = (480, 800),
        keep_aspect: bool = True,
        alpha_snap: int = 0,
        compose: Compose = "device",
        cache_mb: int = 256,
        alpha: Alpha = "refuse",
    ) -> None:
        _check_numbers(train_size, crop_size, alpha_snap, cache_mb)
        if (extra_fg is None) != (extra_alpha is None):
            raise OptionError([Fault("extra_fg", "goes with extra_alpha. Give both or none.")])
        self._chances = read_section(
            Chances, {**asdict(PRESETS[preset]), **(chances or {})}, "chances"
        )
        self._sides = (crop_size[0], crop_size[1])
        self._how: dict[str, Any] = {
            "train_size": train_size,
            "keep_aspect": keep_aspect,
            "alpha_snap": alpha_snap,
        }
        self._composes_here = compose == "worker"
        self._cache = Cache(cache_mb * 2**20)
        self._alpha: Alpha = alpha
        folders = _folders(dataroot, dataroot_fg, dataroot_alpha, dataroot_bg)
        self._backgrounds = open_store(folders["dataroot_bg"], option="dataroot_bg")
        self._foregrounds = _foregrounds(folders, "dataroot_fg", "dataroot_alpha")
        if extra_fg is not None and extra_alpha is not None:
            extra = {"extra_fg": extra_fg, "extra_alpha": extra_alpha}
            self._foregrounds += _foregrounds(extra, "extra_fg", "extra_alpha")

    def __len__(self) -> int:
        return len(self._backgrounds.names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        chosen = self._foregrounds[int(rng.integers(len(self._foregrounds)))]
        draws = sample(rng, self._chances, self._sides)
        name = self._backgrounds.names[index]
        made = apply(*self._read(chosen, name), draws, **self._how)
        fg, bg, gt, trimap = (
            _tensor(image) for image in (made.foreground, made.background, made.alpha, made.trimap)
        )
        colors = {"image": fg * gt + bg * (1 - gt)} if self._composes_here else {"fg": fg, "bg": bg}
        paths = {
            "fg_path": chosen.path,
            "bg_path": self._backgrounds.path(name),
            "gt_path": chosen.alpha_path,
        }
        return {**colors, "gt": gt, "trimap": trimap, **paths}

    def check(self) -> list[tuple[int, str]]:
        """As the base class says, of backgrounds.

        Raises:
            DataError: of foregrounds, since each of them may meet any background.
        """
        pairs = {pair.path: pair for pair in self._foregrounds}
        if faults := check_each(pairs, lambda path: pairs[path].check(self._alpha)):
            more = f" ... and {len(faults) - _SHOWN} more." if len(faults) > _SHOWN else ""
            raise DataError(" ".join(fault for _, fault in faults[:_SHOWN]) + more)
        return check_each(self._backgrounds.names, self._check_background)

    def _read(
        self, chosen: _Foreground, background: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of a foreground, its alpha and a background."""

        def read_background() -> np.ndarray:
            return to_8_bits(self._backgrounds.read(background, alpha=self._alpha))

        if held := self._cache.get(chosen.path):
            return held[0], held[1], read_background()
        foreground, alpha, behind = _together(
            lambda: to_8_bits(chosen.images.read(chosen.name, alpha=self._alpha)),
            lambda: to_8_bits(
                plane_of(chosen.alphas.read(chosen.alpha, "whole"), chosen.alpha_path)
            ),
            read_background,
        )
        check_size(chosen.alpha_path, alpha.shape, chosen.path, foreground.shape)
        self._cache.put(chosen.path, (foreground, alpha))
        return foreground, alpha, behind

    def _check_background(self, name: str) -> None:
        _check_kind(self._backgrounds.path(name), self._backgrounds.header(name), self._alpha)


@dataclass(frozen=True)
class _Foreground:
    """Where a foreground and its alpha are."""

    images: ImageStore
    name: str
    alphas: ImageStore
    alpha: str

    @property
    def path(self) -> str:
        return self.images.path(self.name)

    @property
    def alpha_path(self) -> str:
        return self.alphas.path(self.alpha)

    def check(self, transparency: Alpha) -> None:
        """Refuse what headers tell cannot be used.

        Raises:
            DataError: names the file.
        """
        header, matte = self.images.header(self.name), self.alphas.header(self.alpha)
        _check_kind(self.path, header, transparency)
        _check_kind(self.alpha_path, matte, "drop")
        size = (header.height, header.width)
        check_size(self.alpha_path, (matte.height, matte.width), self.path, size)


def _foregrounds(folders: dict[str, str], fg: str, alpha: str) -> list[_Foreground]:
    images, alphas = open_store(folders[fg], option=fg), open_store(folders[alpha], option=alpha)
    found = partners(images, alphas, "alpha")
    return [_Foreground(images, name, alphas, found[name]) for name in images.names]


def _folders(dataroot: str | None, *given: str | None) -> dict[str, str]:
    """Foregrounds, alphas and backgrounds, by the options that may name them."""
    named = {"dataroot_fg": "kappa_fg", "dataroot_alpha": "alpha", "dataroot_bg": "coco_bg"}
    folders = {}
    for (option, name), own in zip(named.items(), given, strict=True):
        if own is None and dataroot is None:
            raise OptionError([Fault(option, "is missing. Give it, or dataroot for all three.")])
        folders[option] = own if own is not None else str(Path(dataroot or "") / name)
    if given[0] is None and not Path(folders["dataroot_fg"]).exists():
        folders["dataroot_fg"] = str(Path(dataroot or "") / "fg")
        log.info(
            "%s: has no kappa_fg, so foregrounds are taken from fg as they are. "
            "scripts/data_preparation/reestimate_foreground.py makes kappa_fg.", dataroot,
        )  # fmt: skip
    return folders


def _together(*reads: Callable[[], np.ndarray]) -> list[np.ndarray]:
    """What each gives; side by side unless data workers do that already with whole samples."""
    if get_worker_info() is not None:
        return [read() for read in reads]
    return list(in_threads(lambda read: read(), reads))


def _tensor(image: np.ndarray) -> Tensor:
    return to_tensor(image).float().div_(255)


def _check_kind(path: str, header: ImageHeader, alpha: Alpha) -> None:
    if fault := kind_fault(header, alpha=alpha):
        raise DataError(f"{path}: {fault}")


def _check_numbers(
    train_size: int, crop_size: tuple[int, int], alpha_snap: int, cache_mb: int
) -> None:
    faults = []
    if train_size < 1:
        faults.append(Fault("train_size", f"must be 1 or more, got {train_size}."))
    if not 2 <= crop_size[0] <= crop_size[1]:
        shown = f"{crop_size[0]}, {crop_size[1]}"
        faults.append(Fault("crop_size", f"must be two rising sides from 2 on, got {shown}."))
    if not 0 <= alpha_snap < 128:
        faults.append(Fault("alpha_snap", f"must be at least 0 and below 128, got {alpha_snap}."))
    if cache_mb < 0:
        faults.append(Fault("cache_mb", f"must be 0 or more, got {cache_mb}."))
    if faults:
        raise OptionError(faults)
