"""A full-size matting network on an image: ours against plain eager float32, as JSON.

``--refine N`` measures N steps of the refinement instead, against the whole decoder run and
differentiated anew in each step. ``--megapixels N`` sends one photograph of that size through,
alone in the process, and reports time and peak memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import interleaved, peak_megabytes, report

from smoothkit.archs import build_network
from smoothkit.metrics import calculate_metric
from smoothkit.systems.lsa.arch import LsaNet
from smoothkit.systems.lsa.matting import Matting
from smoothkit.systems.lsa.predict import MattingPredictor
from smoothkit.systems.lsa.refine import Refinement, refined


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the image; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--refine", type=int, metavar="STEPS")
    parser.add_argument("--megapixels", type=float, help="one photograph of this size instead")
    parser.add_argument("--amp", choices=("off", "bf16"), default="off")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.megapixels:
        large(args)
    elif args.refine:
        refinement(args)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    net = network().to(args.device)
    image, trimap = picture(args.side, args.side)
    dtypes = {"float32": torch.float32, "bf16": torch.bfloat16}
    ours = {name: Matting(net, args.device, dtype=dtype) for name, dtype in dtypes.items()}
    plain = plain_matting(net, image, trimap, args.device)
    expected = plain()
    alphas = {name: matting(image, trimap) for name, matting in ours.items()}
    seconds = interleaved(
        {"plain": plain} | {name: lambda m=m: m(image, trimap) for name, m in ours.items()},
        args.repeats,
    )
    # Against an alpha of its own kind: how much a figure of merit moves is what counts.
    truth = np.clip(expected + np.random.default_rng(1).normal(0, 0.05, expected.shape), 0, 1)
    sads = {name: sad(a, truth, trimap) for name, a in {"plain": expected, **alphas}.items()}
    report(
        what="full-size matting network, one image, whole, border included",
        side=args.side,
        seconds=seconds,
        times_faster={name: seconds["plain"] / seconds[name] for name in ours},
        largest_error={name: float(np.abs(a - expected).max()) for name, a in alphas.items()},
        sad_change={name: sads[name] / sads["plain"] - 1 for name in ours},
    )


def plain_matting(
    net: LsaNet, image: np.ndarray, trimap: np.ndarray, device: torch.device | str
) -> Callable[[], np.ndarray]:
    """Alpha of an image (H, W, 3) BGR and its trimap, in bytes, without what makes ours faster."""
    net = net.to(device)
    predictor = MattingPredictor()
    planes = [image[..., ::-1].transpose(2, 0, 1)[None], trimap[None, None]]
    tensors = [torch.from_numpy(np.ascontiguousarray(p / np.float32(255))) for p in planes]

    def run() -> np.ndarray:
        return predictor(net, *(t.to(device) for t in tensors))[0, 0].cpu().numpy()

    return run


def refinement(args: argparse.Namespace) -> None:
    net = network().to(args.device)
    image, trimap = (
        torch.from_numpy(np.ascontiguousarray(i)).to(args.device)
        for i in (lambda i, t: (i.transpose(2, 0, 1)[None] / np.float32(255),
                                t[None, None] / np.float32(255)))(*picture(args.side, args.side))
    )  # fmt: skip
    x = net.inputs(image, trimap)
    settings = Refinement(steps=args.refine)

    def ours() -> torch.Tensor:
        return refined(net, x, settings)[0]

    trained = network().to(args.device).requires_grad_(True)
    alphas = ours(), plain_refinement(trained, x, settings)
    seconds = interleaved(
        {"plain": lambda: plain_refinement(trained, x, settings), "ours": ours}, args.repeats
    )
    report(
        what=f"{args.refine} steps of refinement, full-size network",
        side=args.side,
        seconds=seconds,
        times_faster=seconds["plain"] / seconds["ours"],
        largest_difference=float((alphas[0] - alphas[1]).abs().max()),
        peak_megabytes=peak_megabytes(),
    )


def plain_refinement(net: LsaNet, x: torch.Tensor, settings: Refinement) -> torch.Tensor:
    """The published procedure, gradients of the weights included."""
    with torch.no_grad():
        stages = net.features(x)
    target = None
    sides = {5: 8, 4: 16, 3: 32, 2: 64}
    maps = [
        {
            k: x.new_zeros(1, getattr(net.decoder, f"decoder_{k}").conv1.out_channels, s, s)
            .requires_grad_()
            for k, s in sides.items()
        }
        for _ in range(2)
    ]  # fmt: skip
    trimap = x[:, 3:4]
    pos, neg = (trimap > 0.75).float(), (trimap < 0.25).float()
    unknown = 1 - pos - neg
    rims = [unknown * F.max_pool2d(known, 3, 1, 1) for known in (pos, neg)]
    for _ in range(settings.steps):
        features = None
        for number in (5, 4, 3, 2, 1):
            stage = stages[f"stage{number}"]
            features = net.decoder.step(number, stage, features)
            if number in sides:
                scale, shift = (
                    F.interpolate(m[number], size=stage.shape[-2:], mode="bicubic") for m in maps
                )
                features = features * scale.exp() + shift
        raw = net.decoder.finish(stages["stage0"], features)
        target = raw.detach() if target is None else target
        alpha = raw.clamp(0, 1)
        edge = ((1 - alpha) ** 2 * rims[0]).sum() + (alpha**2 * rims[1]).sum()
        edge = edge / (rims[0].sum() + rims[1].sum() + 0.2)
        keep = ((alpha - target).abs() * unknown).sum() / unknown.sum()
        (edge + settings.keep_weight * keep**2).backward()
        for variable in (*maps[0].values(), *maps[1].values()):
            variable.data -= settings.lr * variable.grad
            variable.grad = None
    return alpha.detach()


def large(args: argparse.Namespace) -> None:
    height = round((args.megapixels * 1e6 * 3 / 4) ** 0.5)
    image, trimap = picture(height, height * 4 // 3)
    dtype = torch.bfloat16 if args.amp == "bf16" else torch.float32
    matting = Matting(network(), args.device, MattingPredictor(upsampling="guided"), dtype)
    before = peak_megabytes()
    started = time.perf_counter()
    matting(image, trimap)
    report(
        what="full-size matting network, one photograph, seen at 2176 pixels",
        size=image.shape[:2],
        amp=args.amp,
        seconds=time.perf_counter() - started,
        peak_megabytes=peak_megabytes(),
        peak_megabytes_before=before,
    )


def network(**size: Any) -> LsaNet:
    torch.manual_seed(0)
    net = build_network({"type": "LsaNet", **size}).eval().requires_grad_(False)
    # Random weights say next to nothing: their alpha is spread over the range by hand.
    net.decoder.final_final.conv3.weight *= 5
    net.decoder.final_final.conv3.bias.fill_(0.5)
    return net


def picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A random image and a trimap whose middle half is unknown."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    trimap = np.full((height, width), 128, np.uint8)
    trimap[:, : width // 4], trimap[:, -width // 4 :] = 255, 0
    return image, trimap


def sad(alpha: np.ndarray, truth: np.ndarray, trimap: np.ndarray) -> float:
    planes = {"img": alpha, "img2": truth, "trimap": trimap / 255}
    tensors = {k: torch.from_numpy(np.float32(v))[None] for k, v in planes.items()}
    return calculate_metric(tensors, {"type": "matting_sad"})


if __name__ == "__main__":
    main()
