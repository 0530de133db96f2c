"""How good a smoothed photograph is as a ground truth: edges kept against texture removed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# Blurs, in pixels: at the coarse one textures are gone and edges left, at the fine one an edge is
# measured without the texture that lies over it.
_COARSE, _FINE = 4.0, 2.0
# Share of the image that counts as edge: the steepest part at the coarse scale.
_EDGE_SHARE = 0.1


@dataclass(frozen=True)
class Screening:
    """Two shares in [0, 1], and their harmonic mean.

    Args:
        edges: of the gradient at the photograph's edges, what is left.
        texture: of the gradient away from them, what is gone.
    """

    edges: float
    texture: float

    @property
    def score(self) -> float:
        """0 for an unchanged photograph and for a flat image, 1 at best."""
        total = self.edges + self.texture
        return 2 * self.edges * self.texture / total if total else 0.0


def screen(photo: np.ndarray, candidate: np.ndarray) -> Screening:
    """The two shares for one candidate.

    Edges are where the photograph, blurred until textures are gone, is steepest. There the fine
    gradient of the candidate is set against the photograph's, at most counting as equal; everywhere
    else, a margin around the edges left out, the unblurred gradients are. Their harmonic mean is
    not to be had by one share alone.

    Args:
        photo, candidate: (H, W, 3) or (H, W), uint8 or uint16 alike.

    Source: our own; the screening test of Easy2Hard (IEEE TNNLS 2021) has no published code.
    """
    before, after = _luma(photo), _luma(candidate)
    coarse = _gradient(_blurred(before, _COARSE))
    is_edge = coarse > np.quantile(coarse, 1 - _EDGE_SHARE)
    steep, kept = _gradient(_blurred(before, _FINE)), _gradient(_blurred(after, _FINE))
    edges = _share(np.minimum(kept, steep)[is_edge], steep[is_edge])
    reach = 2 * round(_COARSE) + 1
    is_away = cv2.dilate(is_edge.astype(np.uint8), np.ones((reach, reach), np.uint8)) == 0
    left = _share(_gradient(after)[is_away], _gradient(before)[is_away])
    return Screening(edges, max(0.0, 1 - left))


def _luma(image: np.ndarray) -> np.ndarray:
    levels = image.astype(np.float32) / np.iinfo(image.dtype).max
    return levels if image.ndim == 2 else cv2.cvtColor(levels, cv2.COLOR_BGR2GRAY)


def _blurred(plane: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(plane, (0, 0), sigma)


def _gradient(plane: np.ndarray) -> np.ndarray:
    dx = cv2.Sobel(plane, cv2.CV_32F, 1, 0)
    dy = cv2.Sobel(plane, cv2.CV_32F, 0, 1)
    return cv2.magnitude(dx, dy)


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    total = float(whole.sum(dtype=np.float64))
    return float(part.sum(dtype=np.float64)) / total if total else 0.0
