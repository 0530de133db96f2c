"""Re-estimating the foreground of a large image: time, memory and error, as JSON.

The scene is a smooth, coloured foreground with a soft rim and strands before a texture. Errors are
mean squares where 0 < alpha < 1, of the foreground and of alpha times the foreground.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from common import interleaved, peak_megabytes, report

from smoothkit.core.devices import accelerator
from smoothkit.core.errors import DataError
from smoothkit.ops.io import to_float, to_uint8
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.lsa.foreground import composite, estimate_foreground
from smoothkit.systems.lsa.reestimate import reestimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--width", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    foreground, background, alpha = scene(args.height, args.width)
    image = quantised(composite(foreground, background, alpha))
    product = quantised(foreground * alpha[..., None])
    doubles = image.astype(np.float64), alpha.astype(np.float64)
    memory = {
        "straight numpy": memory_of(straight, *doubles),
        "ours": memory_of(reestimate, image, alpha),
    }
    seconds = interleaved(
        {
            "straight numpy": lambda: straight(*doubles),
            "ours": lambda: reestimate(image, alpha),
            "ours, one thread": lambda: in_one_thread(image, alpha),
        }
        | on_accelerator(image, alpha),
        args.repeats,
    )
    results = {
        "unprocessed": image,
        "J = alpha I, start I": reestimate(image, alpha),
        "true J, start I": reestimate(image, alpha, product=product),
        "true J, start J": reestimate(image, alpha, product=product, init="product"),
        **multilevel(image, product, alpha),
    }
    is_fractional = (alpha > 0) & (alpha < 1)
    weights = alpha[..., None]
    difference = np.abs(straight(*doubles) - results["J = alpha I, start I"])
    report(
        what="foreground re-estimation, kappa 1, 6 scales, 20 iterations",
        size=[args.height, args.width],
        fractional_pixels=float(is_fractional.mean()),
        torch_threads=torch.get_num_threads(),
        seconds=seconds,
        times_faster={
            name: seconds["straight numpy"] / value
            for name, value in seconds.items()
            if name != "straight numpy"
        },
        largest_difference=float(difference.max()),
        added_memory_mb=memory,
        errors={
            name: {
                "foreground": error(result - foreground, is_fractional),
                "alpha * foreground": error(weights * (result - foreground), is_fractional),
            }
            for name, result in results.items()
        },
    )


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Foreground, background and alpha, of 8 bits, as float32."""
    rng = np.random.default_rng(0)
    size = (width, height)
    foreground = cv2.resize(rng.random((6, 9, 3)), size, interpolation=cv2.INTER_CUBIC)
    coarse = cv2.resize(rng.random((12, 18, 3)), size, interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.random((height // 4, width // 4, 3)), size)
    centre = np.array([width / 2, height / 2])
    rows, columns = np.mgrid[:height, :width]
    radius = np.hypot((columns - centre[0]) / (0.33 * width), (rows - centre[1]) / (0.33 * height))
    strands = np.zeros((height, width), np.uint8)
    for _ in range(600):
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(1, 1.45)
        angles = np.array([angle, angle + 0.1 * rng.standard_normal()])
        points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * 0.33 * np.array(size)
        points[1] = centre + (points[1] - centre) * length
        first, last = (tuple(map(int, point)) for point in points)
        cv2.line(strands, first, last, int(rng.integers(80, 255)), 1, cv2.LINE_AA)
    alpha = np.maximum(np.clip((1.05 - radius) / 0.15, 0, 1), cv2.blur(strands, (3, 3)) / 255)
    return quantised(foreground), quantised(coarse * 0.5 + fine * 0.5), quantised(alpha)


def quantised(image: np.ndarray) -> np.ndarray:
    return to_float(to_uint8(image))


def error(difference: np.ndarray, where: np.ndarray) -> float:
    return float(np.square(difference[where], dtype=np.float64).mean())


def memory_of(function: Callable[..., object], *arrays: np.ndarray) -> int:
    """Megabytes by which one call raises the peak of a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(rise, function, *arrays).result()


def rise(function: Callable[..., object], *arrays: np.ndarray) -> int:
    small = [array[:64, :64] for array in arrays]
    function(*small)  # so that threads and libraries do not count
    before = own_peak()
    function(*arrays)
    return own_peak() - before


def own_peak() -> int:
    """Megabytes; ``getrusage`` would count the parent's, from before this program was loaded."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_megabytes()
    lines = (line.split() for line in status.read_text().splitlines())
    return next(int(words[1]) // 1024 for words in lines if words[0] == "VmHWM:")


def in_one_thread(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result = reestimate(image, alpha)
    torch.set_num_threads(threads)
    return result


def on_accelerator(image: np.ndarray, alpha: np.ndarray) -> dict:
    kind = accelerator()
    if kind is None:
        return {}
    planes, matte = to_tensor(image, "bgr").to(kind), to_tensor(alpha).to(kind)
    return {kind: lambda: reestimate(planes, matte).cpu()}


def multilevel(image: np.ndarray, product: np.ndarray, alpha: np.ndarray) -> dict[str, np.ndarray]:
    try:
        found = estimate_foreground(image, alpha)
    except DataError:
        return {}
    return {
        "pymatting's multi-level on I": found,
        "pymatting's multi-level on true J": estimate_foreground(product, alpha),
        "J = alpha times the former, start there": reestimate(found, alpha),
    }


def straight(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Padding and slices in float64, as the published code."""
    height, width = alpha.shape
    product, current = image * alpha[..., None], image
    for scale in range(5, -1, -1):
        size = (width >> scale, height >> scale)
        current, small, matte = (cv2.resize(x, size) for x in (current, product, alpha))
        matte = matte[..., None]
        doubts = around((1 - matte) ** 2)
        weights = [(1 - matte) ** 2 + other for other in doubts]
        denominator = matte**2 + sum(weights)
        for _ in range(20 << scale):
            flow = sum(w * x for w, x in zip(weights, around(current), strict=True))
            current = (matte * small + flow) / denominator
    return current


def around(image: np.ndarray) -> list[np.ndarray]:
    """Left, right, upper and lower neighbours."""
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), "reflect")
    return [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]


if __name__ == "__main__":
    main()
