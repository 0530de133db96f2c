"""The training step of full-size JESS-Net: ours against a plain one in eager float32, as JSON.

Both start from the same weights and see the same batches; the losses of 20 steps are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from common import compare_steps, step_of
from torch import Tensor

from smoothkit.core.options import read_options
from smoothkit.losses import build_loss
from smoothkit.models import build_model
from smoothkit.models.step import loss_sections

Step = Callable[[dict[str, Tensor]], float]
# Those of the released recipe.
RECIPE = Path(__file__).parents[1] / "options/train/jess/train_JESSNet.yml"
LOSSES = {
    f"{name}_opt": section
    for name, section in loss_sections(read_options(RECIPE).data["train"]).items()
}
OURS = {
    "float32": {"channels_last": True},
    "float32 compiled": {"channels_last": True, "compile": True},
    "bf16": {"channels_last": True, "amp": "bf16"},
    "bf16 compiled": {"channels_last": True, "amp": "bf16", "compile": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="whose losses are compared")
    parser.add_argument("--only", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--num_gpu", type=int, default=0)
    parser.add_argument(
        "--control",
        action="store_true",
        help="also run the plain step on one thread: how far rounding alone drives losses apart",
    )
    args = parser.parse_args()
    device = "cuda" if args.num_gpu else "cpu"
    batches = [batch(args, seed, device) for seed in range(args.steps)]
    steps: dict[str, Step] = {"plain": plain_step(device)}
    steps |= {name: our_step(OURS[name], args.num_gpu) for name in args.only}
    if args.control:
        steps["plain, one thread"] = on_one_thread(plain_step(device))
    compare_steps(
        steps,
        batches,
        args.repeats,
        what="training step of full-size JESS-Net",
        batch=args.batch,
        patch=args.patch,
    )


def batch(args: argparse.Namespace, seed: int, device: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size = (args.batch, 3, args.patch, args.patch)
    lq, gt = (torch.rand(size, generator=generator) for _ in range(2))
    item = {"lq": lq, "gt": gt, "edge": (gt[:, :1] > 0.9).byte()}
    return {name: value.to(device) for name, value in item.items()}


def options(
    extra: dict[str, object], num_gpu: int, size: dict[str, int], *, fused: bool
) -> dict[str, object]:
    return {
        "num_gpu": num_gpu,
        "network_g": {"type": "JESSNet", **size},
        "train": {"optim_g": {"type": "Adam", "lr": 1e-4, "fused": fused}, **LOSSES, **extra},
    }


def our_step(extra: dict[str, object], num_gpu: int, **size: int) -> Step:
    torch.manual_seed(0)
    return step_of(build_model(options(extra, num_gpu, size, fused=True)))


def plain_step(device: str, **size: int) -> Step:
    """The step as a script would write it."""
    torch.manual_seed(0)
    num_gpu = int(device == "cuda")
    net = build_model(options({}, num_gpu, size, fused=False)).net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    l1, ssim, edge = (
        build_loss({"type": kind}) for kind in ("L1Loss", "MultiScaleSSIMLoss", "BalancedEdgeLoss")
    )

    def step(data: dict[str, Tensor]) -> float:
        optimizer.zero_grad()
        out, gt = net.named(net(data["lq"])), data["gt"]
        loss = l1(out["coarse"], gt) + l1(out["pred"], gt)
        loss = loss + 0.1 * (ssim(out["coarse"], gt) + ssim(out["pred"], gt))
        loss = loss + 0.001 * edge(out["edge_logits"], data["edge"])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def on_one_thread(step: Step) -> Step:
    def run(data: dict[str, Tensor]) -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return step(data)
        finally:
            torch.set_num_threads(threads)

    return run


if __name__ == "__main__":
    main()
