"""From ground truths to training pairs, on the training device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.signature import read_section, with_whole_numbers
from smoothkit.models.pair_pool import PairPool, pool_faults
from smoothkit.models.step import loss_sections
from smoothkit.ops.degradation import Blur, Draw, Stage, degrade, draw
from smoothkit.ops.precision import without_tf32

WHERE = "degradation"
# Sharpening mirrors that many pixels at the borders.
_LARGEST_BLUR = 25
# What of a batch goes through crop and pool beside the images, which are all that have four sides.
_PER_SAMPLE = ("negative_votes", "positive_votes", "num_annotators")


class Degradation:
    """Makes ``lq`` of a batch of whole ground truths, crops all, and passes them through a pool.

    The low-quality image is made of ``original`` where the batch has one, else of ``gt``. Random
    numbers depend on the seed, the process and the number of the batch alone.

    Args:
        scale: of the network.
        gt_size: side of the crops, a multiple of ``scale``.
        stages: one or two rounds: sections of ``ops.degradation.Stage``.
        final_sinc_prob: share of images that end with a low-pass, after two rounds.
        sharpen: make the low-quality image of the sharpened ground truth.
        sharpen_gt: put the sharpened image, whole, in the ground truth's place, and make the
            low-quality image of it.
        pool_size: samples in the pool, a multiple of the batch; ~: none.
        seed: of everything that is drawn; a list where processes differ.

    Raises:
        OptionError: options out of range or at odds.
    """

    given = ("scale", "seed")  # not from the section

    def __init__(
        self,
        scale: int,
        gt_size: int = 256,
        stages: Sequence[dict[str, Any]] = ({},),
        final_sinc_prob: float = 0.0,
        sharpen: bool = False,
        sharpen_gt: bool = False,
        pool_size: int | None = None,
        *,
        seed: int | Sequence[int] = 0,
    ) -> None:
        if gt_size < 1 or gt_size % scale:
            near = max(gt_size // scale, 0) * scale
            valid = " or ".join(str(n) for n in (near, near + scale) if n)
            message = f"must be a multiple of the scale ({scale}), got {gt_size}. Take {valid}."
            _refuse("gt_size", message)
        if pool_size is not None and pool_size < 1:
            _refuse("pool_size", f"must be 1 or more, got {pool_size}. Leave it out for no pool.")
        if not 0 <= final_sinc_prob <= 1:
            _refuse("final_sinc_prob", f"must be in [0, 1], got {final_sinc_prob}.")
        if len(stages) not in (1, 2):
            _refuse("stages", f"must be one or two, got {len(stages)}.")
        self.scale, self.gt_size = scale, gt_size
        self.ranges = [_stage(section, index) for index, section in enumerate(stages)]
        self.final_sinc_prob = final_sinc_prob
        self.sharpen, self.sharpen_gt = sharpen, sharpen_gt
        self.pool = PairPool(pool_size) if pool_size else None
        self._seed = [seed] if isinstance(seed, int) else list(seed)
        self._number = 0

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[Fault]:
        """What of the section is out of range, or at odds with the rest of the option file."""
        section, scale = options[WHERE], options.get("scale", 1)
        if not isinstance(scale, int) or scale < 1:
            return []  # named by itself
        try:
            made = cls(scale, **with_whole_numbers(cls, section))
        except OptionError as error:
            return list(error.faults)
        train = (options.get("datasets") or {}).get("train") or {}
        batch = train.get("batch_size_per_gpu", 1)
        found = []
        if made.pool is not None and isinstance(batch, int) and batch > 0:
            found += pool_faults(made.pool.size, batch)
        targets = (s.get("target") for s in loss_sections(options.get("train") or {}).values())
        if made.gt_size <= _LARGEST_BLUR and "sharp" in targets:
            message = f"must be above {_LARGEST_BLUR} to be sharpened, got {made.gt_size}."
            found.append(Fault(f"{WHERE}.gt_size", message))
        for key in ("crop_size", "crop_pad_size"):
            crop = train.get(key)
            if isinstance(crop, int) and crop < made.gt_size:
                message = f"must be at most datasets.train.{key} ({crop}), got {made.gt_size}."
                found.append(Fault(f"{WHERE}.gt_size", message))
        return found

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch with ``lq``, images cropped; as it is where it brings its own ``lq``.

        Args:
            batch: (N, 3, H, W) images, uint8 or float32 in [0, 1]: ``gt``, ``original``, ...

        Returns:
            float32 in [0, 1].

        Raises:
            DataError: images smaller than the crop.
        """
        if "lq" in batch:
            return dict(batch)
        rng = np.random.default_rng([*self._seed, self._number])
        self._number += 1
        images = {k: v for k, v in batch.items() if isinstance(v, Tensor) and v.ndim == 4}
        if self.sharpen_gt:
            images["gt"] = sharpened(_as_float(images["gt"]))
        source = images.get("original", images.get("gt"))
        assert source is not None
        self._check_size(batch, source)
        drawn = self.draw(len(source), rng)
        lq = self.low_quality(source, drawn)
        crops = self._cropped(lq, images, rng)
        kept = {name: batch[name] for name in _PER_SAMPLE if name in batch}
        if self.pool is not None:
            samples = self.pool.exchange({**crops, **kept}, rng)
            crops, kept = ({k: samples[k] for k in part} for part in (crops, kept))
        rest = {k: v for k, v in batch.items() if k not in crops and k not in kept}
        return {**rest, **{k: _as_float(v) for k, v in crops.items()}, **kept}

    def draw(self, count: int, rng: np.random.Generator) -> Draw:
        """What a batch is degraded with."""
        return draw(self.ranges, count, rng, final_sinc_prob=self.final_sinc_prob)

    @torch.no_grad()
    def low_quality(self, source: Tensor, drawn: Draw) -> Tensor:
        """(N, 3, H // scale, W // scale) uint8 of whole images, uint8 or float32."""
        images = self._whole(_as_float(source))
        if self.sharpen:
            images = sharpened(images)
        lq = degrade(images, drawn, self.ranges, self.scale)
        return (lq * 255).round().byte()

    def state_dict(self) -> dict[str, Any]:
        """Seed, batches drawn so far, and the pool."""
        pool = self.pool.state_dict() if self.pool else None
        return {"seed": self._seed, "number": self._number, "pool": pool}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from ``state_dict``."""
        self._seed, self._number = list(state["seed"]), state["number"]
        if self.pool is not None and state["pool"] is not None:
            self.pool.load_state_dict(state["pool"], device)

    def _whole(self, image: Tensor) -> Tensor:
        """Sides cut to multiples of the scale, so that both images of a pair show the same."""
        height, width = (side // self.scale * self.scale for side in image.shape[-2:])
        return image[..., :height, :width]

    def _cropped(
        self, lq: Tensor, images: Mapping[str, Tensor], rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """One window for the whole batch, as it has one degraded size."""
        side = self.gt_size // self.scale
        top, left = (int(rng.integers(length - side + 1)) for length in lq.shape[-2:])
        gt_top, gt_left = top * self.scale, left * self.scale
        crops = {
            name: image[..., gt_top : gt_top + self.gt_size, gt_left : gt_left + self.gt_size]
            for name, image in images.items()
        }
        return {"lq": lq[..., top : top + side, left : left + side], **crops}

    def _check_size(self, batch: Mapping[str, Any], source: Tensor) -> None:
        height, width = source.shape[-2:]
        if min(height, width) < self.gt_size:
            paths = " ".join(map(str, batch.get("gt_path", [])))
            raise DataError(
                f"{paths or 'gt'}: images must have sides of {WHERE}.gt_size ({self.gt_size}) "
                f"or more, got {height}x{width}."
            )


@torch.no_grad()
@without_tf32()
def sharpened(images: Tensor) -> Tensor:
    """The images after unsharp masking with a Gaussian of 51 pixels, in [0, 1].

    Args:
        images: (N, C, H, W) float32, sides above 25 pixels.
    """
    result: Tensor = basicsr_part("utils.img_process_util", "USMSharp")().to(images.device)(
        images.contiguous()
    )
    return result


def _stage(section: Mapping[str, Any], index: int) -> Stage:
    where = f"{WHERE}.stages.{index}"
    options = dict(section)
    blur = read_section(Blur, options.pop("blur", None) or {}, f"{where}.blur")
    return read_section(Stage, {**options, "blur": blur}, where)


def _as_float(image: Tensor) -> Tensor:
    return image.float() / 255 if image.dtype == torch.uint8 else image


def _refuse(key: str, message: str) -> None:
    raise OptionError([Fault(f"{WHERE}.{key}", message)])
