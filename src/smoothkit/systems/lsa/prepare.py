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
from smoothkit.core.files import as_json, read_json, remove_leftovers, write_bytes, write_json
from smoothkit.core.parallel import in_threads
from smoothkit.data.protocols import by_stem
from smoothkit.data.store import image_files
from smoothkit.models.load import device_called
from smoothkit.ops.io import decode_image, encode_image, read_bytes
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.foreground import estimate_foreground, multilevel_estimator
from smoothkit.systems.lsa.mattes import check_size, plane_of
from smoothkit.systems.lsa.origins import (
    check_is_folder,
    check_is_noted,
    digest_of,
    without_faults,
)
from smoothkit.systems.lsa.reestimate import check_settings, reestimate

Init = Literal["foreground", "product", "multilevel"]
INITS: tuple[Init, ...] = ("foreground", "product", "multilevel")
NOTE = "reestimate.json"

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

    Results are ``<stem>.png``, with the depth of the foreground. Those that are there are kept as
    long as they, foreground and alpha have the content that the note has a hash of. Images that
    cannot be used are left out, and named by an error when the rest is done.

    Args:
        fg_dir: images of 8 or 16 bits; an alpha channel of their own is dropped.
        alpha_dir: has an image of the same stem for each, with any extension; grey or with equal
            channels, of 8 or 16 bits.
        out_dir: made where missing; ``reestimate.json`` notes how its images were made, and of
            what content.
        kappa, scales, iterations: as for ``reestimate``.
        init: ``foreground`` and ``product`` as for ``reestimate``. ``multilevel`` first puts
            pymatting's estimate in the foreground's place: for photographs, in which the background
            still shows.
        truncate: 8-bit levels are cut off as in the published code, not rounded; in float64, which
            takes two to three times as long.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        workers: images at a time; None for one for each usable CPU.
        overwrite: remove the results that are there first, whatever they were made with.

    Raises:
        OptionError: a number out of range, or a device that is not there.
        DataError: no images, two of one stem, results in ``out_dir`` made otherwise or images that
            no note is beside, a disk that cannot be written, pymatting missing; at the end, every
            image that was left out.

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
    remove_leftovers(out_dir)
    if overwrite:  # all at once: a run cut short must not leave results of two recipes behind
        _remove(*targets.values(), out_dir / NOTE)
    else:
        check_is_noted(out_dir, NOTE, "Give an empty folder, or overwrite them.")
    hashes = _read_note(out_dir, recipe)
    _write_note(out_dir, recipe, hashes)
    note_lock = threading.Lock()

    def is_kept(stem: str) -> bool:
        digest, alpha = hashes.get(stem), alphas.get(stem)
        if digest is None or alpha is None:
            return False
        return _are_of(digest, foregrounds[stem], alpha, targets[stem])

    kept = in_threads(is_kept, list(targets), workers)
    missing = [stem for stem, is_done in zip(targets, kept, strict=True) if not is_done]
    workers = min(workers or usable_cpus(), len(missing) or 1)
    threads = torch.get_num_threads()
    # An accelerator has one image at a time, while files are read and written beside it.
    turn = nullcontext() if chosen.type == "cpu" else threading.Lock()

    def make(stem: str) -> Path | DataError:
        """The file written, or what is wrong."""
        try:
            pair = _read_pair(foregrounds[stem], alphas.get(stem), alpha_dir)
        except DataError as error:
            return error
        torch.set_num_threads(max(1, threads // workers))  # of this thread
        with turn:
            result = recipe.apply(pair.foreground, pair.alpha, chosen)
        content = encode_image(result, name=str(targets[stem]))
        # A kill between the two leaves a result that the note's hash is not of: it is made again.
        write_bytes(targets[stem], content)
        digest = digest_of(*pair.contents, content)
        with note_lock:
            hashes[stem] = digest
            _write_note(out_dir, recipe, hashes)
        return targets[stem]

    return _finished(make, missing, workers)


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


def _are_of(digest: str, *paths: Path) -> bool:
    """True if files have the content that a digest is of."""
    try:
        return digest == digest_of(*map(read_bytes, paths))
    except DataError:  # a result that is gone, or a source, which is told where it is needed
        return False


def _finished(
    make: Callable[[str], Path | DataError], stems: list[str], workers: int
) -> Iterator[Path]:
    threads, made = torch.get_num_threads(), in_threads(make, stems, workers)
    is_quiet = not sys.stderr.isatty()
    try:
        yield from without_faults(tqdm(made, total=len(stems), unit="image", disable=is_quiet))
    finally:
        torch.set_num_threads(threads)  # which threads that begin later go by


def _by_stem(folder: str | Path) -> dict[str, Path]:
    names = by_stem([path.name for path in image_files(folder)], str(folder))
    return {stem: Path(folder) / name for stem, name in names.items()}


@dataclass(frozen=True)
class _Pair:
    """A foreground (H, W, 3) with its alpha (H, W), and the contents of their files."""

    foreground: np.ndarray
    alpha: np.ndarray
    contents: tuple[bytes, bytes]


def _read_pair(path: Path, alpha_path: Path | None, alpha_dir: str | Path) -> _Pair:
    if alpha_path is None:
        raise DataError(f"{path}: has no alpha. Put one called '{path.stem}' into {alpha_dir}.")
    contents = read_bytes(path), read_bytes(alpha_path)
    foreground = decode_image(contents[0], str(path), alpha="drop")
    alpha = plane_of(decode_image(contents[1], str(alpha_path), "whole"), str(alpha_path))
    check_size(str(alpha_path), alpha.shape, str(path), foreground.shape)
    return _Pair(foreground, alpha, contents)


def _highest(image: np.ndarray) -> int:
    return int(np.iinfo(image.dtype).max)


def _remove(*paths: Path) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{path}: cannot be removed: {error.strerror}.") from error


def _read_note(folder: Path, recipe: _Recipe) -> dict[str, str]:
    """By stem, a hash of what each result is made from and of itself.

    Raises:
        DataError: the results are made in another way, or the note cannot be read.
    """
    note, made_by = folder / NOTE, asdict(recipe)
    if not note.exists():
        return {}
    try:
        content = read_json(note)
        held, hashes = content["recipe"], dict(content["images"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{note}: cannot be read. Overwrite all, or give another folder."
        ) from error
    if held != made_by:
        raise DataError(
            f"{folder}: has foregrounds made by {as_json(held)}, not by {as_json(made_by)}. "
            "Overwrite them, or give another folder."
        )
    return hashes


def _write_note(folder: Path, recipe: _Recipe, hashes: dict[str, str]) -> None:
    write_json(folder / NOTE, {"recipe": asdict(recipe), "images": hashes})
