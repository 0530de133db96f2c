"""Ways to send images through a trained matting network that are too large for it, as JSON.

Composed images of twice the size that the network sees: whole, made smaller (alpha enlarged again
linearly, or guided by the image), and in tiles that overlap. Means over the images of SAD, MSE
(times 1000), Grad and Conn in the unknown pixels.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from common import report

from smoothkit.data.samples import TEST_PHOTOGRAPHS, photograph
from smoothkit.metrics import calculate_metric
from smoothkit.ops.tile import tiles
from smoothkit.systems.lsa.matting import Matting, load_matting
from smoothkit.systems.lsa.predict import MattingPredictor
from smoothkit.systems.lsa.samples import KINDS
from smoothkit.systems.lsa.trimap import make_trimap

METRICS = ("sad", "mse", "grad", "conn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_path", required=True, help="such as that of the matting demo")
    parser.add_argument("--side", type=int, default=1024, help="of the images")
    parser.add_argument(
        "--grid", type=int, default=1, help="objects along a side: more of them, not larger ones"
    )
    parser.add_argument("--overlap", type=int, default=64, help="of tiles, on each side")
    parser.add_argument("--border", action="store_true", help="surround images as published")
    args = parser.parse_args()
    images = list(mosaics(args.side, args.grid))
    half = args.side // 2
    ways = {
        "whole": {"max_size": None},
        "smaller, linear": {"max_size": half, "upsampling": "linear"},
        "smaller, guided": {"max_size": half, "upsampling": "guided"},
        "tiles": {"max_size": None},
    }
    figures = {}
    for name, options in ways.items():
        predictor = MattingPredictor(border=args.border, **options)
        matting = load_matting(args.model_path, device="cpu", predictor=predictor)
        started = time.perf_counter()
        rows = []
        for image, trimap, alpha in images:
            if name == "tiles":
                found = in_tiles(matting, image, trimap, half, args.overlap)
            else:
                found = matting(image, trimap)
            rows.append(measures(found, alpha, trimap))
        means = dict(zip(METRICS, np.mean(rows, axis=0).round(3).tolist(), strict=True))
        figures[name] = {**means, "seconds": round(time.perf_counter() - started, 1)}
    report(
        what=f"{len(images)} images of {args.side} pixels, seen at {half}",
        objects_along_a_side=args.grid,
        model=Path(args.model_path).name,
        figures=figures,
    )


def mosaics(side: int, grid: int):
    """Images (image, trimap, alpha) of ``grid`` x ``grid`` composites."""
    parts = list(composites(side // grid))
    for number in range(len(parts)):
        chosen = [parts[(number + k) % len(parts)] for k in range(grid * grid)]
        yield tuple(
            np.vstack([np.hstack(planes[row * grid : (row + 1) * grid]) for row in range(grid)])
            for planes in zip(*chosen, strict=True)
        )


def composites(side: int):
    """(image, trimap, alpha) of held-out photographs, drawn alphas over another photograph."""
    pictures = [resized(photograph(name), side) for name in TEST_PHOTOGRAPHS]
    for number, picture in enumerate(pictures):
        background = pictures[(number + 1) % len(pictures)]
        for kind, draw in KINDS.items():
            alpha = draw(np.random.default_rng([number, len(kind)]), side)
            share = alpha[..., None]
            image = np.rint(picture * share + background * (1 - share)).astype(np.uint8)
            levels = np.rint(alpha * 255).astype(np.uint8)
            yield image, make_trimap(levels, side // 40, side // 40), levels


def resized(image: np.ndarray, side: int) -> np.ndarray:
    small = min(image.shape[:2])
    return cv2.resize(image[:small, :small], (side, side), interpolation=cv2.INTER_CUBIC)


def in_tiles(
    matting: Matting, image: np.ndarray, trimap: np.ndarray, size: int, overlap: int
) -> np.ndarray:
    """Alpha put together from tiles, each seen by itself."""
    out = np.empty(trimap.shape, np.float32)
    for tile in tiles(*trimap.shape, size, overlap):
        top, left, bottom, right = tile.window
        window = slice(top, bottom), slice(left, right)
        part = matting(np.ascontiguousarray(image[window]), np.ascontiguousarray(trimap[window]))
        out[tile.outside()] = part[tile.inside()]
    return out


def measures(found: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> list[float]:
    planes = {"img": found, "img2": alpha / 255, "trimap": trimap / 255}
    tensors = {k: torch.from_numpy(np.float32(v))[None] for k, v in planes.items()}
    values = [calculate_metric(tensors, {"type": f"matting_{name}"}) for name in METRICS]
    values[1] *= 1000
    return values


if __name__ == "__main__":
    main()
