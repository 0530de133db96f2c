"""What the filters agree on: an image is a stack of planes, and the type that comes in goes out."""

from __future__ import annotations

import numpy as np


def require_floats(image: np.ndarray) -> None:
    """Refuse what is not a grey or colour image of float32 or float64."""
    if not (_is_image(image) and image.dtype in (np.float32, np.float64)):
        raise ValueError(
            f"image: must be (H, W) or (H, W, 3), float32 or float64 in [0, 1], "
            f"got {image.shape} {image.dtype}. Divide 8-bit images by 255."
        )


def require_bytes(image: np.ndarray) -> None:
    """Refuse what is not a grey or colour image of bytes."""
    if not (_is_image(image) and image.dtype == np.uint8):
        raise ValueError(
            f"image: must be (H, W) or (H, W, 3) uint8, got {image.shape} {image.dtype}."
        )


def to_planes(image: np.ndarray) -> np.ndarray:
    """(C, H, W), contiguous, of a (H, W) or (H, W, 3) image; C is 1 or 3."""
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), 2, 0))


def from_planes(planes: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The planes in the layout and float type of the image ``like``."""
    image = planes[0] if like.ndim == 2 else np.moveaxis(planes, 0, 2)
    return np.ascontiguousarray(image, dtype=like.dtype)


def require_positive(**values: float) -> None:
    """Refuse parameters that are not above zero, by their names."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}: must be above 0, got {value}.")


def _is_image(image: np.ndarray) -> bool:
    return image.size > 0 and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3))
