"""Alpha by methods that need no training, to compare networks with."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import read_json, remove_leftovers, write_bytes, write_json
from smoothkit.core.parallel import in_threads
from smoothkit.ops.io import encode_image, read_bytes, to_float, to_uint16
from smoothkit.systems.lsa.foreground import numba_alone
from smoothkit.systems.lsa.triples import Triple, Triples

NOTE = "mattes.json"

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]

_DIGITS = 16

# Values that pymatting wants in a trimap, by our bytes.
_LEVELS = {0: 0.0, 128: 0.5, 255: 1.0}


def trimap_as_alpha(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """One half wherever the trimap is unknown: what any method has to beat."""
    return trimap


def closed_form(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Levin et al., "A closed-form solution to natural image matting", TPAMI 2008, by pymatting."""
    return _by_pymatting("estimate_alpha_cf", image, trimap)


def knn(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Chen et al., "KNN matting", TPAMI 2013, by pymatting."""
    return _by_pymatting("estimate_alpha_knn", image, trimap)


METHODS: dict[str, Method] = {"trimap": trimap_as_alpha, "closed_form": closed_form, "knn": knn}


def estimate_folder(triples: Triples, name: str, out_dir: str | Path) -> Iterator[Path]:
    """Write the alphas of a method, 16 bits; gives their files.

    ``mattes.json`` has a hash for each, of the method, the pixels of image and trimap, and the file
    of the matte. What these agree with is kept; all else is made anew.

    Args:
        triples: images and trimaps.
        name: of the method, one of ``METHODS``.
        out_dir: gets ``<stem>.png`` of each image.

    Raises:
        DataError: an image cannot be used, pymatting is missing, or a method fails on an image.
    """
    method, out_dir = METHODS[name], Path(out_dir)
    remove_leftovers(out_dir)
    hashes, lock = _read_note(out_dir / NOTE), threading.Lock()

    def make(file: str) -> Path:
        path, triple = out_dir / f"{Path(file).stem}.png", triples.read(file)
        if path.exists() and hashes.get(path.stem) == _hash(name, triple, read_bytes(path)):
            return path
        matte = encode_image(to_uint16(_estimated(name, method, triple)))
        # A kill between the two leaves a matte that the note's hash is not of: it is made again.
        write_bytes(path, matte)
        with lock:
            hashes[path.stem] = _hash(name, triple, matte)
            write_json(out_dir / NOTE, hashes)
        return path

    # pymatting's solvers hold the interpreter, so threads would only take turns.
    workers = None if name == "trimap" else 1
    return in_threads(make, triples.names, workers)


def _estimated(name: str, method: Method, triple: Triple) -> np.ndarray:
    """(H, W) alpha in [0, 1]."""
    values = np.vectorize(_LEVELS.__getitem__, otypes=[float])(triple.trimap)
    image = to_float(triple.image)[..., ::-1].astype(np.float64)
    try:
        return np.clip(method(image, values), 0, 1)
    except ValueError as error:
        raise DataError(f"{triple.paths['lq_path']}: {name} fails: {error}.") from error


def _hash(method: str, triple: Triple, matte: bytes) -> str:
    """Of what a matte is made from, pixels and not files, together with the matte's own file."""
    image, trimap = triple.image, triple.trimap
    digest = hashlib.sha256(f"{method} {image.shape} {image.dtype}".encode())
    for part in (image, trimap):
        digest.update(part.tobytes())
    digest.update(matte)
    return digest.hexdigest()[:_DIGITS]


def _read_note(note: Path) -> dict[str, str]:
    """The hashes by stem; without a note, or with one that cannot be read, nothing is known."""
    try:
        return dict(read_json(note))
    except (OSError, ValueError, TypeError):
        return {}


def _by_pymatting(name: str, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """A function of pymatting; what it prints about its speed is not passed on."""
    silence = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), silence, numba_alone():
        warnings.simplefilter("ignore")
        try:
            import pymatting
        except ImportError as error:
            raise DataError(
                f"this method is pymatting's, which cannot be imported ({error}). "
                "pip install 'smoothkit[matting]'"
            ) from error
        alpha: np.ndarray = getattr(pymatting, name)(image, trimap)
    return alpha
