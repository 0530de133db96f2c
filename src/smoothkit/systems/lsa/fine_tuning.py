"""Training on photographs with given trimaps, which are not composed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.registry import DATASET_REGISTRY
from smoothkit.core.signature import read_section
from smoothkit.data.base import ImageDataset, check_each
from smoothkit.ops.io import Alpha, to_float
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.augment import Probabilities
from smoothkit.systems.lsa.trimap import Levels
from smoothkit.systems.lsa.triples import Triples, find_folders


@dataclass(frozen=True)
class MoveChances(Probabilities):
    """How probable each step is, 0 to 1.

    Args:
        hflip, vflip: left to right, top to bottom.
        transpose: rows and columns interchanged.
        inversion: of the image's colours.
        permutation: of its channels.
    """

    hflip: float = 0.5
    vflip: float = 0.5
    transpose: float = 0.5
    inversion: float = 0.2
    permutation: float = 0.2


@dataclass(frozen=True)
class Moves:
    """One draw; ``permutation`` says which channel comes first, second, third, in BGR."""

    hflip: bool = False
    vflip: bool = False
    transpose: bool = False
    inversion: bool = False
    permutation: tuple[int, ...] = (0, 1, 2)


def sample_moves(rng: np.random.Generator, chances: MoveChances) -> Moves:
    """A draw for images of any size."""
    happens = {field.name: rng.random() < getattr(chances, field.name) for field in fields(chances)}
    order = rng.permutation(3) if happens["permutation"] else np.arange(3)
    happens = {name: bool(value) for name, value in happens.items() if name != "permutation"}
    return Moves(**happens, permutation=tuple(order.tolist()))


def moved(image: np.ndarray, moves: Moves) -> np.ndarray:
    """What a draw makes of an image (H, W, 3), of a trimap or of an alpha (H, W)."""
    image = image[:, ::-1] if moves.hflip else image
    image = image[::-1] if moves.vflip else image
    image = image.swapaxes(0, 1) if moves.transpose else image
    if image.ndim == 2:
        return image
    image = np.iinfo(image.dtype).max - image if moves.inversion else image
    return image[..., list(moves.permutation)]


@DATASET_REGISTRY.register
class MattingTrimapDataset(ImageDataset):
    """Photographs with trimaps and alphas, one of several trimaps drawn for each item.

    Items, float32 in [0, 1]: ``image``, (3, H, W); ``trimap``, (1, H, W) in {0, 128/255, 1};
    ``gt``, the alpha, (1, H, W); ``lq_path``, ``trimap_path``, ``gt_path``. H and W are multiples
    of 64, mirrored at the bottom and right, and not of one size: train with one image at a time.

    Args:
        dataroot: folder of alphamatting.com's training images, ``input_training_lowres``,
            ``trimap_training_lowres/Trimap1`` and so on, ``gt_training_lowres``; the three options
            that follow may replace each of them.
        dataroot_image: folder or ``.lmdb`` of photographs.
        dataroot_trimap: one or several of trimaps.
        dataroot_alpha: of alphas.
        trimap_sets: which trimaps of the layout.
        chances: how probable flips, transposition, inversion and permutation are (``MoveChances``).
        multiple_of: of which sides become multiples.
        levels: refuse trimaps with levels other than 0, 128 and 255, or snap them.
        alpha: refuse or drop the alpha channel of a photograph.

    Raises:
        DataError: a folder is missing or has no images, or images lack a partner; names them.
        OptionError: a folder is not given, or an option is out of range.

    Source: LSA-Matting (arXiv 2112.13809), published code for fine-tuning, which lacks the lists
    that it needs.
    """

    def __init__(
        self,
        dataroot: str | None = None,
        dataroot_image: str | None = None,
        dataroot_trimap: str | list[str] | None = None,
        dataroot_alpha: str | None = None,
        trimap_sets: list[int] | tuple[int, ...] = (1, 2),
        chances: dict[str, Any] | None = None,
        multiple_of: int = 64,
        levels: Levels = "refuse",
        alpha: Alpha = "refuse",
    ) -> None:
        if multiple_of < 1:
            raise OptionError([Fault("multiple_of", f"must be 1 or more, got {multiple_of}.")])
        given = [dataroot_trimap] if isinstance(dataroot_trimap, str) else dataroot_trimap
        folders = find_folders(
            dataroot,
            "alphamatting_training",
            trimap_sets,
            images=dataroot_image,
            trimaps=given,
            alphas=dataroot_alpha,
        )
        if folders.alphas is None:
            raise OptionError([Fault("dataroot_alpha", "is missing: there is nothing to learn.")])
        self._triples = Triples(folders, levels=levels, alpha=alpha)
        self._chances = read_section(MoveChances, chances or {}, "chances")
        self._multiple_of = multiple_of

    def __len__(self) -> int:
        return len(self._triples.names)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        version = int(rng.integers(self._triples.num_trimaps))
        moves = sample_moves(rng, self._chances)
        triple = self._triples.read(self._triples.names[index], version)
        images = {"image": triple.image, "trimap": triple.trimap, "gt": triple.alpha}
        tensors = {
            key: to_tensor(to_float(moved(self._padded(image), moves)))
            for key, image in images.items()
            if image is not None
        }
        return {**tensors, **triple.paths}

    def check(self) -> list[tuple[int, str]]:
        return check_each(self._triples.names, self._triples.check)

    def _padded(self, image: np.ndarray) -> np.ndarray:
        bottom, right = (-side % self._multiple_of for side in image.shape[:2])
        if not bottom and not right:
            return image
        return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REFLECT_101)
