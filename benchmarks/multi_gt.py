"""Metrics over labels against a straight loop, and what reading HGGT's data costs, as JSON.

Pictures of 512 x 512 pixels are made up in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import lpips
import numpy as np
import torch
from common import interleaved, report

from smoothkit.core.basicsr_compat import basicsr_part
from smoothkit.data import build_dataset
from smoothkit.data.lmdb_store import create_lmdb
from smoothkit.data.store import open_store
from smoothkit.metrics.dists import Dists
from smoothkit.metrics.perceptual import Lpips
from smoothkit.ops.io import read_image, to_float
from smoothkit.ops.tensor import to_tensor
from smoothkit.systems.hggt_sr.labels import read_labels
from smoothkit.systems.hggt_sr.measures import measure_of
from smoothkit.systems.hggt_sr.multi_gt import multi_gt

VERSIONS = ("01", "02", "03", "04")
# Two or three positives a set, as in Test-100.
WORDS = (
    ["Positive", "Positive", "Negative", "Similar"],
    ["Positive", "Positive", "Positive", "Negative"],
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=20, help="measured; default: %(default)s")
    parser.add_argument("--label_sets", type=int, default=20193, help="default: %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pictures(root, args.sets)
        plain, expected = timed(lambda: straight(root))
        ours, found = timed(lambda: measured(root))
        difference = max(abs(a - b) for a, b in zip(found, expected, strict=True))
        samples = time_samples(root)
        features = time_features(root)
        labels = time_labels(root / "many", args.label_sets)
    report(
        what="metrics over labels, and HGGT's data",
        seconds_per_set={"plain": plain / args.sets, "ours": ours / args.sets},
        times_faster=plain / ours,
        largest_difference=difference,
        seconds_per_sample=samples,
        samples_times_faster={
            name: samples["plain"] / seconds for name, seconds in samples.items() if name != "plain"
        },
        features_times_faster=features,
        seconds_for_labels=labels,
        labels_times_faster=labels["plain parse"] / labels["second start"],
    )


def timed(function: Callable[[], list[float]]) -> tuple[float, list[float]]:
    started = time.perf_counter()
    values = function()
    return time.perf_counter() - started, values


def make_pictures(root: Path, count: int) -> None:
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (512, 512), interpolation=cv2.INTER_CUBIC)
        name = f"{number:04d}-0-0"
        for version in ("original", *VERSIONS, "sr"):
            noise = rng.integers(-8, 9, image.shape)
            noisy = np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)
            stem = name if version == "original" else f"{name}_{version}"
            folder = root / "sr" if version == "sr" else root / "images" / version
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{stem}.png"), noisy)
        write_label(root / "labels", name, WORDS[number % 2])


def write_label(root: Path, name: str, words: list[str]) -> None:
    pictures = {"Picture_1": {"Name": f"{name}.png", "File": "original", "Label": None}}
    for number, (version, word) in enumerate(zip(VERSIONS, words, strict=True), 2):
        pictures[f"Picture_{number}"] = {
            "Name": f"{name}_{version}.png", "File": version, "Label": word
        }  # fmt: skip
    for annotator in "ABC":
        path = root / annotator / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(pictures))


def straight(root: Path) -> list[float]:
    """One process that reads, votes and calls BasicSR's metrics, picture by picture."""
    psnr, ssim = (
        basicsr_part("metrics.psnr_ssim", f"calculate_{name}") for name in ("psnr", "ssim")
    )
    values = []
    for path in sorted((root / "sr").iterdir()):
        name = path.stem.rpartition("_")[0]
        result = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 255
        for version in VERSIONS:
            if word_of(root / "labels", name, version) != "Positive":
                continue
            file = root / "images" / version / f"{name}_{version}.png"
            truth = cv2.imread(str(file), cv2.IMREAD_UNCHANGED).astype(np.float32) / 255
            for metric in (psnr, ssim):
                values.append(float(metric(truth * 255, result * 255, crop_border=4)))
    return values


def word_of(root: Path, name: str, version: str) -> str:
    words = []
    for annotator in "ABC":
        pictures = json.loads((root / annotator / f"{name}.json").read_text())
        words += [p["Label"] for p in pictures.values() if p["File"] == version]
    return max(set(words), key=words.count)


def measured(root: Path) -> list[float]:
    metrics = ["psnr", "ssim"]
    arguments = (root / "sr", root / "images", read_labels(root / "labels"), measure_of(metrics))
    *_, (_, _, outcome) = multi_gt(*arguments, metrics=metrics, workers=None)
    return [
        found.values[metric][version]
        for found in outcome.sets
        for version in found.values["psnr"]
        for metric in metrics
    ]


def time_samples(root: Path, repeats: int = 40) -> dict[str, float]:
    """One training sample: all five pictures and their labels, or what it needs of them."""
    names = sorted(path.stem for path in (root / "images/original").iterdir())

    def plain(index: int) -> None:
        name = names[index % len(names)]
        for version in VERSIONS:
            word_of(root / "labels", name, version)
            cv2.imread(str(root / "images" / version / f"{name}_{version}.png"))
        cv2.imread(str(root / "images/original" / f"{name}.png"))

    functions: dict[str, Callable[[int], object]] = {"plain": plain}
    for use in ("positive", "positive_negative"):
        data = build_dataset({"type": "HggtDataset", "dataroot_gt": str(root / "images"),
                              "dataroot_labels": str(root / "labels"), "use": use})  # fmt: skip
        functions[use] = lambda i, data=data: data.get(i % len(data), np.random.default_rng(i))
    packed = root / "images.lmdb"
    create_lmdb(open_store(str(root / "images"), is_recursive=True), packed, encoding="bmp")
    data = build_dataset({"type": "HggtDataset", "dataroot_gt": str(packed),
                          "dataroot_labels": str(root / "labels")})  # fmt: skip
    functions["positive_negative, lmdb of bmp"] = lambda i: data.get(
        i % len(data), np.random.default_rng(i)
    )
    seconds = dict.fromkeys(functions, 0.0)
    for index in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function(index)
            seconds[name] += (time.perf_counter() - started) / repeats
    return seconds


def time_features(root: Path, sets: int = 6) -> dict[str, float]:
    """LPIPS and DISTS with random weights: each pair by itself, over a set's pairs at once.

    Plain is the package lpips, and the same DISTS in the layout that images have.
    """
    torch.manual_seed(0)
    published = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    published.requires_grad_(False)
    ours = Lpips(published).eval()
    dists = Dists().eval().requires_grad_(False)
    images = {}
    for path in sorted((root / "sr").iterdir())[:sets]:
        name = path.stem.rpartition("_")[0]
        files = [path, *(root / "images" / v / f"{name}_{v}.png" for v in VERSIONS[:3])]
        stack = [to_tensor(to_float(read_image(file)))[:, 4:-4, 4:-4] for file in files]
        count = 1 + WORDS[int(name[:4]) % 2].count("Positive")
        images[name] = torch.stack(stack[:count])
    functions = {
        "lpips plain": lambda: [
            float(published(stack[:1], truth[None], normalize=True))
            for stack in images.values()
            for truth in stack[1:]
        ],
        "lpips": lambda: [v for s in images.values() for v in ours(s[:1], s[1:]).tolist()],
        "dists plain": lambda: plain_dists(dists, list(images.values())),
        "dists": lambda: [v for s in images.values() for v in dists(s[:1], s[1:]).tolist()],
    }
    values = {name: function() for name, function in functions.items()}
    for name in ("lpips", "dists"):
        np.testing.assert_allclose(values[name], values[f"{name} plain"], rtol=1e-3, atol=1e-5)
    seconds = interleaved(functions, repeats=3)
    return {name: seconds[f"{name} plain"] / seconds[name] for name in ("lpips", "dists")}


def plain_dists(dists: Dists, stacks: list[torch.Tensor]) -> list[float]:
    with mock.patch("smoothkit.metrics.dists.fast_layout", lambda images: images):
        return [float(dists(stack[:1], truth[None])) for stack in stacks for truth in stack[1:]]


def time_labels(root: Path, count: int) -> dict[str, float]:
    for number in range(count):
        write_label(root, f"{number:05d}-0-0", WORDS[number % 2])

    def parse() -> list[float]:
        for annotator in "ABC":
            for path in sorted((root / annotator).iterdir()):
                json.loads(path.read_text())
        return []

    def start() -> list[float]:
        read_labels(root)
        return []

    return {
        "plain parse": timed(parse)[0],
        "first start": timed(start)[0],
        "second start": timed(start)[0],
    }


if __name__ == "__main__":
    main()
