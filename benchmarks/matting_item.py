"""A composed training item against the steps of the reference on whole images, as JSON.

Both read the same files, take the same draws and give the same bytes, which is asserted. Everything
runs on one core, as in a data worker. The reference's stretched backgrounds are compared,
and nothing is remembered of former items; the times of what is on by default stand beside.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import interleaved, report

from smoothkit.data import build_dataset
from smoothkit.data.base import ImageDataset, sample_rng
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.samples import photograph
from smoothkit.data.store import open_store
from smoothkit.ops.io import write_image
from smoothkit.systems.lsa.augment import PRESETS, Draws, sample
from smoothkit.systems.lsa.windows import Rotation

SIZE, BACKGROUND = (1500, 1000), (640, 480)
TRAIN = 640
FOLDERS = {"dataroot_fg": "kappa_fg", "dataroot_alpha": "alpha"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--preset", choices=PRESETS, default="baseline")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_images(root)
        section = {
            "type": "MattingCompositionDataset",
            "dataroot": str(root),
            "preset": args.preset,
            "train_size": TRAIN,
            "cache_mb": 0,
        }
        plain = Plain(root, args.preset)
        ours, covering = (build_dataset({**section, "keep_aspect": k}) for k in (False, True))
        bitmaps = {key: pack(root, key, name) for key, name in FOLDERS.items()}
        datasets = {
            "straight": plain,
            "ours": ours,
            "ours, aspect ratio kept": covering,
            "ours, foregrounds remembered": build_dataset(
                {**section, "keep_aspect": False, "cache_mb": 256}
            ),
            "ours, foregrounds and alphas in an .lmdb of bitmaps": build_dataset(
                {**section, "keep_aspect": False, **bitmaps}
            ),
        }
        differing = [largest_difference(ours, plain, number) for number in range(args.samples)]
        seconds = [timed(datasets, number, args.repeats) for number in range(args.samples)]
    assert max(differing) == 0, differing
    means = {name: statistics.mean(taken[name] for taken in seconds) for name in datasets}
    report(
        what=f"training items of {TRAIN} x {TRAIN} from foregrounds of 1000 x 1500",
        preset=args.preset,
        samples=args.samples,
        largest_difference=max(differing),
        milliseconds_per_item={name: 1000 * mean for name, mean in means.items()},
        times_faster={name: means["straight"] / mean for name, mean in means.items()},
    )


def timed(datasets: dict[str, ImageDataset], number: int, repeats: int) -> dict[str, float]:
    """Median seconds that each takes for one sample."""
    return interleaved(
        {
            name: lambda data=data: data.get(number % len(data), sample_rng(0, number))
            for name, data in datasets.items()
        },
        repeats,
    )


def pack(root: Path, option: str, folder: str) -> str:
    create_lmdb(open_store(root / folder, option=option), root / f"{folder}.lmdb", encoding="bmp")
    return str(root / f"{folder}.lmdb")


def largest_difference(ours: ImageDataset, plain: ImageDataset, number: int) -> float:
    index = number % len(ours)
    first, second = (data.get(index, sample_rng(0, number)) for data in (ours, plain))
    keys = ("fg", "bg", "gt", "trimap")
    return max(float((first[key] - second[key]).abs().max()) for key in keys)


def make_images(root: Path) -> None:
    """Foregrounds with soft and hairy outlines, and backgrounds."""
    rng = np.random.default_rng(0)
    down, right = np.mgrid[: SIZE[1], : SIZE[0]]
    for index, name in enumerate(("astronaut", "chelsea", "coffee")):
        image = cv2.resize(photograph(name), SIZE, interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
        write_image(root / "kappa_fg" / f"{index}.png", noisy)
        angle = np.arctan2(down - 500, right - 750)
        edge = 330 + 40 * index + 30 * np.sin((40 + 30 * index) * angle)
        alpha = np.clip((edge - np.hypot(down - 500, right - 750)) * 4, 0, 255)
        write_image(root / "alpha" / f"{index}.png", alpha.astype(np.uint8))
    for name in ("coffee", "rocket", "chelsea"):
        write_image(root / "coco_bg" / f"{name}.jpg", cv2.resize(photograph(name), BACKGROUND))


class Plain(ImageDataset):
    """Step after step on whole images."""

    def __init__(self, root: Path, preset: Any) -> None:
        self.foregrounds = sorted((root / "kappa_fg").iterdir())
        self.alphas = sorted((root / "alpha").iterdir())
        self.backgrounds = sorted((root / "coco_bg").iterdir())
        self.preset = preset

    def __len__(self) -> int:
        return len(self.backgrounds)

    def get(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        number = int(rng.integers(len(self.foregrounds)))
        draws = sample(rng, PRESETS[self.preset])
        fg = cv2.imread(str(self.foregrounds[number]))
        alpha = cv2.imread(str(self.alphas[number]), cv2.IMREAD_GRAYSCALE)
        bg = cv2.imread(str(self.backgrounds[index]))
        fg, alpha, bg = placed(fg, alpha, bg, draws)
        alpha = gamma_of(alpha, draws)
        fg = colored(fg, draws)
        trimap = trimap_of(alpha, draws)
        fg, bg = lowered(fg, bg, draws)
        colors = {"fg": fg[..., ::-1], "bg": bg[..., ::-1]}
        item = {k: v.transpose(2, 0, 1).astype(np.float32) / 255 for k, v in colors.items()}
        planes = {"gt": alpha, "trimap": trimap}
        item |= {key: value[None].astype(np.float32) / 255 for key, value in planes.items()}
        return {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in item.items()}


def placed(
    fg: np.ndarray, alpha: np.ndarray, bg: np.ndarray, draws: Draws
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = alpha.shape
    bg = cv2.resize(bg, (width, height), interpolation=cv2.INTER_CUBIC)
    if draws.rotations is not None:
        own, other = draws.rotations
        fg, alpha, bg = turned(fg, own), turned(alpha, own), turned(bg, other)
    half = draws.side // 2
    is_fractional = (alpha > 0) & (alpha < 255)
    pixels = np.argwhere(alpha > 0)
    for share in draws.candidates:
        row, col = pixels[int(share * len(pixels))]
        row = min(max(row, half), height - half)
        col = min(max(col, half), width - half)
        part = np.s_[row - half : row + half, col - half : col + half]
        if is_fractional[part].mean() >= 0.8 * is_fractional.mean():
            break
    fg, alpha, bg = fg[part], alpha[part], bg[part]
    if draws.flips_foreground:
        fg, alpha = cv2.flip(fg, 1), cv2.flip(alpha, 1)
    if draws.flips_background:
        bg = cv2.flip(bg, 1)
    return square(fg), square(alpha), square(bg)


def turned(image: np.ndarray, rotation: Rotation) -> np.ndarray:
    height, width = image.shape[:2]
    centre = width // 2 + rotation.right, height // 2 + rotation.down
    matrix = cv2.getRotationMatrix2D(centre, rotation.angle, 1)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC)


def square(image: np.ndarray, side: int = TRAIN) -> np.ndarray:
    if image.shape[:2] == (side, side):
        return image
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)


def gamma_of(alpha: np.ndarray, draws: Draws) -> np.ndarray:
    if draws.gamma is None:
        return alpha
    share, power = alpha / 255, draws.gamma.exponent
    raised = 1 - (1 - share) ** power if draws.gamma.is_of_background else share**power
    return np.clip(255 * raised, 0, 255).astype(np.uint8)


def colored(fg: np.ndarray, draws: Draws) -> np.ndarray:
    if draws.mix is not None:
        kept, color = np.array(draws.mix.kept), np.array(draws.mix.color)
        fg = (fg * kept + color * 255 * (1 - kept)).astype(np.uint8)
    if draws.inverts:
        fg = 255 - fg
    return fg if draws.permutation is None else fg[..., list(draws.permutation)]


def trimap_of(alpha: np.ndarray, draws: Draws) -> np.ndarray:
    is_known = ~((alpha > 0) & (alpha < 255))
    if is_known.all():
        return np.where(alpha == 255, 255, 0).astype(np.uint8)
    distance = cv2.distanceTransform(is_known.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    is_opaque = alpha == 255
    is_near = ~is_opaque & (distance <= draws.background_radius + 1e-4)
    is_near |= is_opaque & (distance <= draws.foreground_radius + 1e-4)
    return np.where(is_near, 128, np.where(is_opaque, 255, 0)).astype(np.uint8)


def lowered(fg: np.ndarray, bg: np.ndarray, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image, ImageEnhance

    images = [np.ascontiguousarray(fg), np.ascontiguousarray(bg)]
    if draws.blur is not None:
        kernel = 2 * draws.blur[0] + 1, 2 * draws.blur[1] + 1
        images = [cv2.GaussianBlur(image, kernel, 0) for image in images]
    if draws.degraded_sides is not None:
        images = [square(square(i, s)) for i, s in zip(images, draws.degraded_sides, strict=True)]
    kinds = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }
    for index, steps in enumerate((draws.foreground_jitter, draws.background_jitter)):
        if not steps:
            continue
        picture = Image.fromarray(np.ascontiguousarray(images[index][..., ::-1]))
        for name, factor in steps:
            picture = kinds[name](picture).enhance(factor)
        images[index] = np.asarray(picture)[..., ::-1]
    return images[0], images[1]


if __name__ == "__main__":
    main()
