"""Foregrounds of photographs whose alpha is known, and what they are put on to be looked at.

Images are (H, W, 3) arrays of floats in [0, 1]; alpha is (H, W), in [0, 1].
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

from smoothkit.core.errors import DataError
from smoothkit.ops.io import to_uint8, to_uint16

# The threads that numba has for its own loops may not be asked for by two callers at once.
_ONE_AT_A_TIME = threading.RLock()


def estimate_foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 foreground of a photograph, channels in the order of ``image``.

    Raises:
        DataError: pymatting is not installed.
        ValueError: the sizes differ.

    Source: Germer et al., "Fast multi-level foreground estimation", ICPR 2020, by pymatting.
    """
    estimate = multilevel_estimator()
    _check_sizes(alpha, image=image)
    if alpha.size == 1:  # pymatting divides by the number of octaves, which is 0
        return image.astype(np.float32)
    with numba_alone():
        return estimate(image.astype(np.float32), alpha.astype(np.float32))


@contextmanager
def numba_alone() -> Iterator[None]:
    """For importing and calling pymatting: one at a time, and torch keeps its number of threads.

    numba sets that of OpenMP, which is torch's too; other sums, other roundings would follow.
    """
    threads = torch.get_num_threads()
    with _ONE_AT_A_TIME:
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def multilevel_estimator() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """pymatting's multi-level estimator of foregrounds; importing it takes about a second.

    Raises:
        DataError: pymatting is not installed.
    """
    try:
        with warnings.catch_warnings(), numba_alone():
            warnings.simplefilter("ignore")  # of pymatting and numba, which a user cannot mend
            from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml
    except ImportError as error:
        raise DataError(
            f"foregrounds are estimated by pymatting, which cannot be imported ({error}). "
            "pip install 'smoothkit[matting]'"
        ) from error
    function: Callable[[np.ndarray, np.ndarray], np.ndarray] = estimate_foreground_ml
    return function


def composite(foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The foreground over a background of its size, in the type of the foreground.

    Raises:
        ValueError: the sizes differ.
    """
    _check_sizes(alpha, foreground=foreground, background=background)
    weights = alpha[..., None].astype(foreground.dtype)
    over: np.ndarray = background.astype(foreground.dtype) * (1 - weights) + foreground * weights
    return over


def checkerboard(
    height: int, width: int, *, side: int = 16, levels: tuple[float, float] = (0.8, 0.6)
) -> np.ndarray:
    """(height, width, 3) float32 grey squares, what editors show behind transparent pixels.

    Args:
        side: of a square, in pixels.
        levels: of the square in the corner at the top left, and of its neighbours.
    """
    rows, columns = np.arange(height) // side, np.arange(width) // side
    squares = np.asarray(levels, np.float32)[(rows[:, None] + columns) % 2]
    return np.dstack([squares] * 3)


def with_alpha(
    foreground: np.ndarray, alpha: np.ndarray, *, depth: Literal[8, 16] = 8
) -> np.ndarray:
    """(H, W, 4) BGRA levels, uint8 or uint16, as ``ops.io.write_image`` takes them.

    Args:
        foreground: BGR, not multiplied by alpha, as PNG has it.
        depth: bits per channel.

    Raises:
        ValueError: the sizes differ.
    """
    _check_sizes(alpha, foreground=foreground)
    image = np.dstack([foreground, alpha])
    return to_uint16(image) if depth == 16 else to_uint8(image)


def _check_sizes(alpha: np.ndarray, **images: np.ndarray) -> None:
    for name, image in images.items():
        if image.shape != (*alpha.shape, 3):
            raise ValueError(
                f"{name}: must be (H, W, 3) of alpha's size, got {image.shape} and {alpha.shape}."
            )
