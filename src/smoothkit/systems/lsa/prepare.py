"""Training foregrounds of matting: a folder of them re-estimated into another."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from smoothkit.core.cpu import usable_cpus
from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads
from smoothkit.data.origin import Origin
from smoothkit.data.protocols import by_stem
from smoothkit.data.provenance import Note
from smoothkit.data.store import image_files
from smoothkit.models.load import device_called
from smoothkit.ops.io import encode_image
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.foreground import estimate_foreground, multilevel_estimator
from smoothkit.systems.lsa.mattes import check_size, plane_of
from smoothkit.systems.lsa.outputs import check_is_folder, without_faults
from smoothkit.systems.lsa.reestimate import check_settings, reestimate

Init = Literal["foreground", "product", "multilevel"]
INITS: tuple[Init, ...] = ("foreground", "product", "multilevel")

# In levels: far above the rounding errors of float64, which must not cut a level that is reached.
_ALMOST = 1e-11


def reestimate_foregrounds(
    fg_dir: str | Path,
    alpha_dir: str | Path,
    out_dir: str | Path,
    *,
    kappa: float = 1.0,
    scales: int = 6,
    iterations: int = 20,
    init: Init = "foreground",
    truncate: bool = False,
    device: str = "auto",
    workers: int | None = None,
    overwrite: bool = False,
) -> Iterator[Path]:
    """Make each foreground of a folder locally smooth; yields what is written, in order of names.

    Results are ``<stem>.png``, with the depth of the foreground. Those that the folder's note says
    are made of these files in this way are kept, others that it tells of made anew. Images that
    cannot be used are left out, and named by an error when the rest is done.

    Args:
        fg_dir: images of 8 or 16 bits; an alpha channel of their own is dropped.
        alpha_dir: has an image of the same stem for each, with any extension; grey or with equal
            channels, of 8 or 16 bits.
        out_dir: made where missing.
        kappa, scales, iterations: as for ``reestimate``.
        init: ``foreground`` and ``product`` as for ``reestimate``. ``multilevel`` first puts
            pymatting's estimate in the foreground's place: for photographs, in which the background
            still shows.
        truncate: 8-bit levels are cut off as in the published code, not rounded; in float64, which
            takes two to three times as long.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        workers: images at a time; None for one for each usable CPU.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        OptionError: a number out of range, or a device that is not there.
        DataError: no images, two of one stem, a file would be replaced that no note tells of, a
            disk that cannot be written, pymatting missing; at the end, every image that was left
            out.

    Source: LSA-Matting (arXiv 2112.13809), published code. Differs: levels are rounded, and files
    belong together by stem, not by whole name.
    """
    recipe = _Recipe(kappa, scales, iterations, init, truncate)
    recipe.check()
    chosen = device_called(device)
    foregrounds, alphas = _by_stem(fg_dir), _by_stem(alpha_dir)
    out_dir = Path(out_dir)
    check_is_folder(out_dir)
    for folder in (fg_dir, alpha_dir):
        if out_dir.resolve() == Path(folder).resolve():
            raise DataError(f"{out_dir}: holds the images to read. Give another folder.")
    targets = {stem: out_dir / f"{stem}.png" for stem in foregrounds}
    note = Note(out_dir)

    def origin(target: Path) -> Origin:
        stem = target.stem
        files = {"foreground": note.file(foregrounds[stem]), "alpha": note.file(alphas[stem])}
        return Origin(files, settings=asdict(recipe))

    advice = "Give another folder, or overwrite what is there."
    paired = [path for stem, path in targets.items() if stem in alphas]
    due = note.due(paired, origin, is_all=overwrite, what_to_do=advice)
    remove_leftovers(out_dir)
    missing = [stem for stem, path in targets.items() if path in due or stem not in alphas]
    workers = min(workers or usable_cpus(), len(missing) or 1)
    threads = torch.get_num_threads()
    # An accelerator has one image at a time, while files are read and written beside it.
    turn = nullcontext() if chosen.type == "cpu" else threading.Lock()

    def make(stem: str) -> Path | DataError:
        """The file written, or what is wrong."""
        try:
            foreground, alpha = _read_pair(foregrounds[stem], alphas.get(stem), alpha_dir, note)
        except DataError as error:
            return error
        torch.set_num_threads(max(1, threads // workers))  # of this thread
        with turn:
            result = recipe.apply(foreground, alpha, chosen)
        content = encode_image(result, name=str(targets[stem]))
        note.write(targets[stem], content, origin(targets[stem]))
        return targets[stem]

    return _finished(make, missing, workers, note)


@dataclass(frozen=True)
class _Recipe:
    """How foregrounds are made; the arguments are those of ``reestimate_foregrounds``."""

    kappa: float
    scales: int
    iterations: int
    init: Init
    truncate: bool

    def check(self) -> None:
        if self.init not in INITS:
            known = ", ".join(INITS)
            raise OptionError(f"init: no such start, got {self.init!r}. Use one of {known}.")
        if self.init == "multilevel":
            multilevel_estimator()
        try:
            check_settings(kappa=self.kappa, scales=self.scales, iterations=self.iterations)
        except ValueError as error:
            raise OptionError(str(error)) from error

    def apply(self, foreground: np.ndarray, alpha: np.ndarray, device: torch.device) -> np.ndarray:
        """(H, W, 3) levels of the type of ``foreground``, from (H, W, 3) and (H, W) levels."""
        # Beside nearly opaque pixels, colours lie some 1e-4 above or below the levels that they
        # had, which float32 does not tell apart.
        is_cut = self.truncate and foreground.dtype == np.uint8
        dtype: type[np.floating[Any]] = np.float64 if is_cut else np.float32
        if is_cut and device.type == "mps":  # has no float64
            device = torch.device("cpu")
        given, matte = (image.astype(dtype) / _highest(image) for image in (foreground, alpha))
        if self.init == "multilevel":
            given = estimate_foreground(given, matte).astype(dtype)
        planes, plane = (to_tensor(image, "bgr").to(device) for image in (given, matte))
        result = reestimate(
            planes,
            plane,
            kappa=self.kappa,
            scales=self.scales,
            iterations=self.iterations,
            init="product" if self.init == "product" else "foreground",
        )
        levels = result.clamp(0, 1) * _highest(foreground)
        levels = (levels + _ALMOST).floor() if is_cut else levels.round()
        whole = levels.permute(1, 2, 0).to(torch.int32).cpu().numpy()
        return whole.astype(foreground.dtype)


def _finished(
    make: Callable[[str], Path | DataError], stems: list[str], workers: int, note: Note
) -> Iterator[Path]:
    threads, made = torch.get_num_threads(), in_threads(make, stems, workers)
    is_quiet = not sys.stderr.isatty()
    try:
        with note:
            yield from without_faults(tqdm(made, total=len(stems), unit="image", disable=is_quiet))
    finally:
        torch.set_num_threads(threads)  # which threads that begin later go by


def _by_stem(folder: str | Path) -> dict[str, Path]:
    names = by_stem([path.name for path in image_files(folder)], str(folder))
    return {stem: Path(folder) / name for stem, name in names.items()}


def _read_pair(
    path: Path, alpha_path: Path | None, alpha_dir: str | Path, note: Note
) -> tuple[np.ndarray, np.ndarray]:
    """A foreground (H, W, 3) and its alpha (H, W)."""
    if alpha_path is None:
        raise DataError(f"{path}: has no alpha. Put one called '{path.stem}' into {alpha_dir}.")
    foreground = note.image(path, alpha="drop")
    alpha = plane_of(note.image(alpha_path, "whole"), str(alpha_path))
    check_size(str(alpha_path), alpha.shape, str(path), foreground.shape)
    return foreground, alpha


def _highest(image: np.ndarray) -> int:
    return int(np.iinfo(image.dtype).max)
