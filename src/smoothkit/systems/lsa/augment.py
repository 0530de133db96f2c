"""What happens to a foreground, its alpha and a background before they become a training item.

``sample`` draws, ``apply`` replays a draw exactly. Images are uint8, BGR as on disk.

Source: LSA-Matting (arXiv 2112.13809), published code, both of its training pipelines.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import cv2
import numpy as np

from smoothkit.systems.lsa.coloring import (
    Mix,
    Step,
    StepName,
    blurred,
    degraded,
    jittered,
    recolored,
)
from smoothkit.systems.lsa.trimap import make_trimap, sample_radii, snapped_alpha
from smoothkit.systems.lsa.windows import (
    Rotation,
    choose_window,
    covering,
    cut,
    enlarged_size,
    padded,
    resized,
    rotated,
    rotated_alpha,
)

Preset = Literal["baseline", "official"]

_TRIES = 5
_FARTHEST_CENTRE = 10
_SIDES_OF_DEGRADED = (960, 320)
_JITTERED: tuple[StepName, ...] = ("brightness", "contrast", "saturation")
_JITTER = (0.8, 1.2)


@dataclass(frozen=True)
class Probabilities:
    """Base of sections whose numbers all lie between 0 and 1.

    Raises:
        ValueError: one does not.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= (value := getattr(self, field.name)) <= 1:
                raise ValueError(f"{field.name}: must be between 0 and 1, got {value}.")


@dataclass(frozen=True)
class Chances(Probabilities):
    """How probable each step is, 0 to 1; the defaults are those of the preset ``baseline``.

    Args:
        rotation: of foreground and background, by angles of their own.
        flip: left to right, drawn for the foreground and for the background.
        gamma: of alpha.
        mix: the foreground's colours drawn towards one colour.
        inversion: of the foreground's colours.
        permutation: of the foreground's channels.
        blur: of both images by one Gaussian.
        degradation: of both images by resizing them there and back.
        jitter: of brightness, contrast and saturation, drawn for each image.
    """

    rotation: float = 0.5
    flip: float = 0.5
    gamma: float = 0.3
    mix: float = 0.3
    inversion: float = 0.3
    permutation: float = 0.3
    blur: float = 0.0
    degradation: float = 0.0
    jitter: float = 0.0


# The published model was most probably trained by the first; the second is the code's "official".
PRESETS: dict[Preset, Chances] = {
    "baseline": Chances(),
    "official": Chances(mix=0.0, blur=0.3, degradation=0.3, jitter=1.0),
}


@dataclass(frozen=True)
class Gamma:
    """A power of alpha, or with ``is_of_background`` of 1 - alpha."""

    exponent: float
    is_of_background: bool


@dataclass(frozen=True)
class Draws:
    """One draw; a step that is None or empty is left out.

    Args:
        side: of the square window, before it is resized to the training size.
        candidates: for the middle of the window, in turn; see ``windows.choose_window``.
        background_radius, foreground_radius: of the trimap, in pixels.
        background_position: what part of a background is used where its aspect ratio is kept.
        rotations: of the foreground and of the background.
        flips_foreground, flips_background: left to right.
        gamma: of alpha.
        mix: of the foreground with a colour.
        inverts: the foreground's colours become 255 minus themselves.
        permutation: which channel of the foreground comes first, second, third; in BGR.
        blur: half width and half height of the Gaussian's window.
        degraded_sides: of the small or large square that foreground and background are resized to.
        foreground_jitter, background_jitter: steps in their order.
    """

    side: int
    candidates: tuple[float, ...] = (0.5,)
    background_radius: int = 1
    foreground_radius: int = 1
    background_position: tuple[float, float] = (0.5, 0.5)
    rotations: tuple[Rotation, Rotation] | None = None
    flips_foreground: bool = False
    flips_background: bool = False
    gamma: Gamma | None = None
    mix: Mix | None = None
    inverts: bool = False
    permutation: tuple[int, ...] | None = None
    blur: tuple[int, ...] | None = None
    degraded_sides: tuple[int, ...] | None = None
    foreground_jitter: tuple[Step, ...] = ()
    background_jitter: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A training item as bytes: images (T, T, 3) BGR, alpha and trimap (T, T)."""

    foreground: np.ndarray
    background: np.ndarray
    alpha: np.ndarray
    trimap: np.ndarray


def sample(
    rng: np.random.Generator, chances: Chances, sides: tuple[int, int] = (480, 800)
) -> Draws:
    """A draw for images of any size.

    Args:
        sides: smallest and largest side of the window.
    """

    def happens(chance: float) -> bool:
        return bool(rng.random() < chance)

    background_radius, foreground_radius = sample_radii(rng)
    return Draws(
        side=int(rng.integers(sides[0], sides[1] + 1)),
        candidates=_numbers(rng, _TRIES),
        background_radius=background_radius,
        foreground_radius=foreground_radius,
        background_position=(float(rng.random()), float(rng.random())),
        rotations=(_rotation(rng), _rotation(rng)) if happens(chances.rotation) else None,
        flips_foreground=happens(chances.flip),
        flips_background=happens(chances.flip),
        gamma=_gamma(rng) if happens(chances.gamma) else None,
        mix=Mix(_numbers(rng, 3), _numbers(rng, 3)) if happens(chances.mix) else None,
        inverts=happens(chances.inversion),
        permutation=tuple(rng.permutation(3).tolist()) if happens(chances.permutation) else None,
        blur=tuple(rng.integers(1, 4, 2).tolist()) if happens(chances.blur) else None,
        degraded_sides=_sides(rng) if happens(chances.degradation) else None,
        foreground_jitter=_jitter(rng) if happens(chances.jitter) else (),
        background_jitter=_jitter(rng) if happens(chances.jitter) else (),
    )


def apply(
    foreground: np.ndarray,
    alpha: np.ndarray,
    background: np.ndarray,
    draws: Draws,
    *,
    train_size: int = 640,
    keep_aspect: bool = True,
    alpha_snap: int = 0,
) -> Sample:
    """What a draw makes of the images.

    Args:
        foreground: (H, W, 3) uint8 BGR.
        alpha: (H, W) uint8.
        background: (h, w, 3) uint8 BGR, of any size.
        train_size: side T of the results.
        keep_aspect: cut the background to the foreground's aspect ratio before it is resized to the
            foreground's size. The reference, with false, stretches it.
        alpha_snap: levels of alpha this near to 0 or 255 are moved there; 0 as in the reference.
    """
    foreground, alpha = padded(foreground, train_size), padded(alpha, train_size)
    alpha = snapped_alpha(alpha, alpha_snap)
    size = (alpha.shape[0], alpha.shape[1])
    if keep_aspect:
        background = covering(background, size, draws.background_position)
    parts = _parts(foreground, alpha, resized(background, size), draws)
    flips = (draws.flips_foreground, draws.flips_foreground, draws.flips_background)
    foreground, alpha, background = (
        resized(cv2.flip(part, 1) if is_flipped else part, (train_size, train_size))
        for part, is_flipped in zip(parts, flips, strict=True)
    )
    alpha = with_gamma(snapped_alpha(alpha, alpha_snap), draws.gamma)
    trimap = make_trimap(alpha, draws.background_radius, draws.foreground_radius)
    foreground = recolored(foreground, draws.mix, draws.inverts, draws.permutation)
    foreground, background = _lowered(foreground, background, draws)
    return Sample(foreground, background, alpha, trimap)


def with_gamma(alpha: np.ndarray, gamma: Gamma | None) -> np.ndarray:
    """Alpha (H, W) uint8 to a power, truncated to levels."""
    if gamma is None:
        return alpha
    share = np.arange(256) / 255
    if gamma.is_of_background:
        levels = 255 * (1 - (1 - share) ** gamma.exponent)
    else:
        levels = 255 * share**gamma.exponent
    return cv2.LUT(alpha, np.clip(levels, 0, 255).astype(np.uint8))


def _parts(
    foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray, draws: Draws
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The windows of the three images, which have one size, after rotation and enlargement."""
    own, other = draws.rotations or (None, None)
    alpha = rotated_alpha(alpha, own)
    if larger := enlarged_size((alpha.shape[0], alpha.shape[1]), draws.side):
        foreground = resized(rotated(foreground, own), larger)
        background = resized(rotated(background, other), larger)
        alpha = resized(alpha, larger)
        own = other = None
    window = choose_window(alpha, draws.side, draws.side, draws.candidates)
    return cut(foreground, own, window), window.of(alpha), cut(background, other, window)


def _lowered(
    foreground: np.ndarray, background: np.ndarray, draws: Draws
) -> tuple[np.ndarray, np.ndarray]:
    """Both images after the steps that lower their quality."""
    if draws.blur is not None:
        foreground, background = (blurred(i, *draws.blur) for i in (foreground, background))
    if draws.degraded_sides is not None:
        foreground = degraded(foreground, draws.degraded_sides[0])
        background = degraded(background, draws.degraded_sides[1])
    foreground = jittered(foreground, draws.foreground_jitter)
    return foreground, jittered(background, draws.background_jitter)


def _numbers(rng: np.random.Generator, count: int) -> tuple[float, ...]:
    return tuple(rng.random(count).tolist())


def _sides(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.choice(_SIDES_OF_DEGRADED, 2).tolist())


def _rotation(rng: np.random.Generator) -> Rotation:
    far = _FARTHEST_CENTRE
    down, right = rng.integers(-far, far + 1, 2).tolist()
    return Rotation(down, right, float(rng.integers(-180, 181)))


def _gamma(rng: np.random.Generator) -> Gamma:
    amount = float(rng.random())
    exponent = 0.5 + amount / 2 if rng.random() < 0.5 else 1 + amount
    return Gamma(exponent, is_of_background=bool(rng.random() < 0.5))


def _jitter(rng: np.random.Generator) -> tuple[Step, ...]:
    factors = rng.uniform(*_JITTER, 3)
    return tuple((_JITTERED[index], float(factors[index])) for index in rng.permutation(3))
