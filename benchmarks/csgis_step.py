"""The training step of the complete CSGIS-Net, frozen VGG and DeepLab included, as JSON.

Ours against a plain one in eager float32, which takes the features of both images anew for each
distance. Both start from the same weights and see the same batches; their losses are compared. With
--strict the plain step computes features of the result once and no layer that nothing reads.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import compare_steps, step_of
from torch import Tensor
from vgg import random_features

from smoothkit.archs import build_network
from smoothkit.core.options import read_options, thaw
from smoothkit.losses import build_loss
from smoothkit.models import build_model

RECIPE = Path(__file__).parents[1] / "options/train/csgis/train_CSGISNet.yml"
OURS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32 channels last": {"channels_last": True},
    "float32 compiled": {"channels_last": True, "compile": True},
    "bf16": {"channels_last": True, "amp": "bf16"},
    "bf16 compiled": {"channels_last": True, "amp": "bf16", "compile": True},
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
K1, K2 = 0.3, 0.04

Batch = dict[str, Tensor]
Step = Callable[[Batch], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--num_block", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="whose losses are compared")
    parser.add_argument("--only", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--num_gpu", type=int, default=0)
    parser.add_argument("--strict", action="store_true")
    args = parser.parse_args()
    device = "cuda" if args.num_gpu else "cpu"
    batches = [batch(args, seed, device) for seed in range(args.steps)]
    with tempfile.TemporaryDirectory() as folder:
        weights = write_weights(Path(folder))
        steps: dict[str, Step] = {"plain": plain_step(args, weights, device)}
        steps |= {name: our_step(args, OURS[name], weights) for name in args.only}
    compare_steps(
        steps,
        batches,
        args.repeats,
        what="training step of the complete CSGIS-Net",
        plain="strict" if args.strict else "features anew for each distance",
        batch=args.batch,
        patch=args.patch,
        threads=torch.get_num_threads(),
    )


def batch(args: argparse.Namespace, seed: int, device: str) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    size = (args.batch, 3, args.patch, args.patch)
    lq, gt, over = (torch.rand(size, generator=generator) for _ in range(3))
    labels = torch.randint(0, 21, (args.batch, *size[2:]), generator=generator).byte()
    labels[:, ::16] = 255
    item = {"lq": lq, "gt": gt, "over": over, "segmentation": labels}
    return {key: v.to(device) for key, v in {**item, "edge": (gt[:, :1] > 0.9).byte()}.items()}


def write_weights(folder: Path) -> dict[str, Any]:
    """Files of random weights, and the networks that hold them."""
    vgg = random_features("vgg16")
    teacher = build_network({"type": "DeepLabV3Plus", "output_stride": 16}).eval()
    torch.save(vgg.state_dict(prefix="features."), folder / "vgg16.pth")
    torch.save({"model_state": teacher.state_dict()}, folder / "teacher.pth")
    files = {"vgg": str(folder / "vgg16.pth"), "teacher": str(folder / "teacher.pth")}
    return {**files, "networks": (vgg, teacher)}


def options(args: argparse.Namespace, extra: dict[str, Any]) -> dict[str, Any]:
    read = thaw(read_options(RECIPE).data)
    size = {"dim": args.dim, "num_block": args.num_block}
    chosen = {key: read[key] for key in ("model_type", "negatives")}
    chosen["negatives"]["source"] = "over"
    losses = {key: value for key, value in read["train"].items() if key.endswith("_opt")}
    train = {"optim_g": {"type": "Adam", "lr": 1e-4}, **losses, **extra}
    network = {**read["network_g"], **size}
    return {**chosen, "num_gpu": args.num_gpu, "network_g": network, "train": train}


def our_step(args: argparse.Namespace, extra: dict[str, Any], weights: dict[str, Any]) -> Step:
    opt = options(args, extra)
    opt["train"]["optim_g"]["fused"] = True
    opt["train"]["style_opt"]["weights"] = weights["vgg"]
    opt["train"]["seg_opt"]["weights"] = weights["teacher"]
    for name in ("style_opt", "seg_opt"):
        opt["train"][name]["amp"] = extra.get("amp", "off")
    torch.manual_seed(0)
    return step_of(build_model(opt))


def plain_step(args: argparse.Namespace, weights: dict[str, Any], device: str) -> Step:
    """The step as a script would write it."""
    torch.manual_seed(0)
    net = build_network(options(args, {})["network_g"]).to(device).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    l1, ssim, edge = (
        build_loss({"type": kind}) for kind in ("L1Loss", "MultiScaleSSIMLoss", "BalancedEdgeLoss")
    )
    vgg, teacher = (n.to(device).requires_grad_(False) for n in weights["networks"])
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, STD))
    contrast = strict_contrast if args.strict else plain_contrast

    def step(data: Batch) -> float:
        optimizer.zero_grad()
        out, gt = net.named(net(data["lq"])), data["gt"]
        pred = out["pred"]
        loss = l1(out["coarse"], gt) + l1(pred, gt)
        loss = loss + 0.1 * (ssim(out["coarse"], gt) + ssim(pred, gt))
        loss = loss + 0.001 * edge(out["edge_logits"], data["edge"])
        grey = grey_distance(pred, gt) - grey_distance(pred, data["over"])
        loss = loss + (grey + K1).clamp_min(0) + contrast(vgg, pred, gt, data["over"])
        labels = data["segmentation"].long()
        logits = teacher((pred - mean) / std)
        loss = loss + F.cross_entropy(logits, labels, ignore_index=255)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def grey_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.mean(1) - b.mean(1)).abs().mean()


def features(vgg: torch.nn.Module, image: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
    found = []
    for index in range(max(taps) + 1):
        image = vgg[index](image)
        if index in taps:
            found.append(image)
    return found


def gram(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / x[0].numel()


def plain_contrast(vgg: torch.nn.Module, pred: Tensor, gt: Tensor, negative: Tensor) -> Tensor:
    def distance(a: Tensor, b: Tensor) -> Tensor:
        pairs = zip(features(vgg, a, (3, 8, 15)), features(vgg, b, (3, 8, 15)), strict=True)
        return sum((gram(x) - gram(y)).square().sum() for x, y in list(pairs)[:2])

    return (distance(pred, gt) - distance(pred, negative) + K2).clamp_min(0)


def strict_contrast(vgg: torch.nn.Module, pred: Tensor, gt: Tensor, negative: Tensor) -> Tensor:
    own, near, far = ([gram(f) for f in features(vgg, i, (3, 8))] for i in (pred, gt, negative))
    total = sum(
        (o - n).square().sum() - (o - f).square().sum()
        for o, n, f in zip(own, near, far, strict=True)
    )
    return (total + K2).clamp_min(0)


if __name__ == "__main__":
    main()
