"""Alpha by methods that need no training, to compare networks with."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.parallel import in_threads
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note
from smoothkit.ops.io import encode_image, to_float, to_uint16
from smoothkit.systems.lsa.foreground import numba_alone
from smoothkit.systems.lsa.triples import Triple, Triples

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]

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


def estimate_folder(
    triples: Triples, name: str, out_dir: str | Path, *, overwrite: bool = False
) -> Iterator[Path]:
    """Write the alphas of a method, 16 bits; gives their files.

    Those that the folder's note says are of this method, image and trimap are kept, others that it
    tells of made anew.

    Args:
        triples: images and trimaps.
        name: of the method, one of ``METHODS``.
        out_dir: gets ``<stem>.png`` of each image.
        overwrite: make all anew, also in the place of files that no note tells of.

    Raises:
        DataError: an image cannot be used, pymatting is missing, a method fails on an image, or a
            file would be replaced that no note tells of.
    """
    method, out_dir = METHODS[name], Path(out_dir)
    note = Note(out_dir)
    files = {out_dir / f"{Path(file).stem}.png": file for file in triples.names}

    def origin(path: Path) -> Origin:
        return Origin(triples.sources(files[path], note), settings={"method": name})

    advice = "Give another folder, or --overwrite to replace what is there."
    due = note.due(files, origin, is_all=overwrite, what_to_do=advice)
    remove_leftovers(out_dir)

    def make(path: Path) -> Path:
        if path in due:
            made_from = origin(path)  # first: of what is read, not of what it becomes meanwhile
            matte = encode_image(to_uint16(_estimated(name, method, triples.read(files[path]))))
            note.write(path, matte, made_from)
        return path

    def finished() -> Iterator[Path]:
        # pymatting's solvers hold the interpreter, so threads would only take turns.
        workers = None if name == "trimap" else 1
        with note:
            yield from in_threads(make, list(files), workers)

    return finished()


def _estimated(name: str, method: Method, triple: Triple) -> np.ndarray:
    """(H, W) alpha in [0, 1]."""
    values = np.vectorize(_LEVELS.__getitem__, otypes=[float])(triple.trimap)
    image = to_float(triple.image)[..., ::-1].astype(np.float64)
    try:
        return np.clip(method(image, values), 0, 1)
    except ValueError as error:
        raise DataError(f"{triple.paths['lq_path']}: {name} fails: {error}.") from error


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
