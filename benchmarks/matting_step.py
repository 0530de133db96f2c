"""The training step of the matting network: ours against a plain one in eager float32, as JSON.

Both start from the same weights and see the same batches; their losses are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import compare_steps, step_of
from torch import Tensor
from training_step import OURS

from smoothkit.archs import build_network
from smoothkit.core.options import read_options, thaw
from smoothkit.losses import build_loss
from smoothkit.models import build_model

RECIPE = Path(__file__).parents[1] / "options/train/lsa/train_LSA.yml"

Batch = dict[str, Tensor]
Step = Callable[[Batch], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2, help="published: 16")
    parser.add_argument("--patch", type=int, default=256, help="published: 640")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, nargs=4, default=(3, 4, 6, 3))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="whose losses are compared")
    parser.add_argument("--only", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--num_gpu", type=int, default=0)
    args = parser.parse_args()
    device = "cuda" if args.num_gpu else "cpu"
    steps: dict[str, Step] = {"plain": plain_step(args, device)}
    steps |= {name: our_step(args, OURS[name]) for name in args.only}
    compare_steps(
        steps,
        [batch(args, seed, device) for seed in range(args.steps)],
        args.repeats,
        what="training step of the matting network, composition included",
        batch=args.batch,
        patch=args.patch,
    )


def batch(args: argparse.Namespace, seed: int, device: str) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    shape = (args.batch, 3, args.patch, args.patch)
    fg, bg = (torch.rand(shape, generator=generator) for _ in range(2))
    alpha = (1.5 * torch.rand(args.batch, 1, *shape[2:], generator=generator) - 0.25).clamp(0, 1)
    trimap = torch.full_like(alpha, 128 / 255)
    trimap[..., : args.patch // 4], trimap[..., -args.patch // 4 :] = 1, 0
    item = {"fg": fg, "bg": bg, "gt": alpha, "trimap": trimap}
    return {key: value.to(device) for key, value in item.items()}


def options(args: argparse.Namespace, extra: dict[str, Any]) -> dict[str, Any]:
    read = thaw(read_options(RECIPE).data)
    size = {"width": args.width, "blocks": list(args.blocks)}
    train = {key: read["train"][key] for key in ("optim_g", "alpha_opt")}
    return {
        "model_type": read["model_type"],
        "num_gpu": args.num_gpu,
        "network_g": {**read["network_g"], **size},
        "train": {**train, **extra},
    }


def our_step(args: argparse.Namespace, extra: dict[str, Any]) -> Step:
    opt = options(args, extra)
    opt["train"]["optim_g"]["fused"] = True
    torch.manual_seed(0)
    return step_of(build_model(opt))


def plain_step(args: argparse.Namespace, device: str) -> Step:
    """The step as a script would write it."""
    torch.manual_seed(0)
    opt = options(args, {})
    net = build_network(opt["network_g"]).to(device).train()
    norms = {id(p) for name, p in net.named_parameters() if "norm" in name or "bn" in name}
    groups = [
        {"params": [p for p in net.parameters() if id(p) not in norms], "weight_decay": 1e-4},
        {"params": [p for p in net.parameters() if id(p) in norms], "weight_decay": 1e-5},
    ]
    optimizer = torch.optim.Adam(groups, lr=opt["train"]["optim_g"]["lr"])
    criterion = build_loss({"type": "MattingMultiscaleLoss"})

    def step(data: Batch) -> float:
        optimizer.zero_grad()
        alpha, trimap = data["gt"], data["trimap"]
        image = data["fg"] * alpha + data["bg"] * (1 - alpha)
        loss = criterion(net(net.inputs(image, trimap)), alpha, trimap)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


if __name__ == "__main__":
    main()
