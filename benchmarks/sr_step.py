"""The training step with positives, negatives and a discriminator, as JSON.

Ours against a plain one in eager float32, perceptual loss and running average included. Both start
from the same weights and see the same pairs, of which low-quality images are part; their losses are
compared. BasicSR has to be installed.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import compare_steps, step_of
from torch import Tensor
from training_step import OURS
from vgg import random_features

from smoothkit.archs import build_network
from smoothkit.core.options import read_options, thaw
from smoothkit.losses import build_loss
from smoothkit.models import build_model
from smoothkit.models.step import loss_sections

RECIPE = "options/train/hggt_sr/train_RRDBGAN_PosNegGT_Blind_Pos+Neg_x4.yml"
FACTOR = 4

Batch = dict[str, Tensor]
Step = Callable[[Batch], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2, help="published: 12")
    parser.add_argument("--patch", type=int, default=128, help="of ground truths; published: 256")
    parser.add_argument("--num_feat", type=int, default=64, help="of both networks")
    parser.add_argument("--num_block", type=int, default=23)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="whose losses are compared")
    parser.add_argument("--only", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--num_gpu", type=int, default=0)
    args = parser.parse_args()
    device = "cuda" if args.num_gpu else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        write_vgg19(Path(folder))
        steps: dict[str, Step] = {"plain": plain_step(args, device)}
        steps |= {name: our_step(args, OURS[name]) for name in args.only}
    compare_steps(
        steps,
        [batch(args, seed, device) for seed in range(args.steps)],
        args.repeats,
        what="training step of RRDB against a discriminator, with negatives",
        batch=args.batch,
        patch=args.patch,
    )


def batch(args: argparse.Namespace, seed: int, device: str) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def images(side: int) -> Tensor:
        return torch.rand(args.batch, 3, side, side, generator=generator)

    item = {name: images(args.patch) for name in ("gt", "original", "positive", "negative")}
    item["lq"] = images(args.patch // FACTOR)
    votes = {"negative_votes": 2, "positive_votes": 3, "num_annotators": 3}
    item |= {name: torch.full((args.batch,), count) for name, count in votes.items()}
    return {key: value.to(device) for key, value in item.items()}


def write_vgg19(folder: Path) -> None:
    """Random weights under the published name, where torch looks for them from now on."""
    (folder / "checkpoints").mkdir()
    state = random_features("vgg19").state_dict(prefix="features.")
    torch.save(state, folder / "checkpoints/vgg19-dcbb9e9d.pth")
    torch.hub.set_dir(str(folder))


def options(args: argparse.Namespace, extra: dict[str, Any]) -> dict[str, Any]:
    read = thaw(read_options(Path(__file__).parents[1] / RECIPE).data)
    names = ("ema_decay", "optim_g", "optim_d", *(f"{n}_opt" for n in loss_sections(read["train"])))
    size = {"num_feat": args.num_feat, "num_block": args.num_block}
    return {
        "scale": FACTOR,
        "num_gpu": args.num_gpu,
        "network_g": {**read["network_g"], **size},
        "network_d": {**read["network_d"], "num_feat": args.num_feat},
        "train": {**{name: read["train"][name] for name in names}, **extra},
    }


def our_step(args: argparse.Namespace, extra: dict[str, Any]) -> Step:
    opt = options(args, extra)
    for name in ("optim_g", "optim_d"):
        opt["train"][name]["fused"] = True
    torch.manual_seed(0)
    return step_of(build_model(opt))


def plain_step(args: argparse.Namespace, device: str) -> Step:
    """The step as a script would write it."""
    torch.manual_seed(0)
    opt = options(args, {})
    net, judge = (build_network(opt[f"network_{x}"]).to(device).train() for x in "gd")
    average = copy.deepcopy(net)
    train = opt["train"]
    rate, betas = train["optim_g"]["lr"], train["optim_g"]["betas"]
    optimizers = [torch.optim.Adam(n.parameters(), rate, betas) for n in (net, judge)]
    pixel, negative, perceptual, gan = (
        build_loss(train[f"{name}_opt"]).to(device)
        for name in ("pixel", "negative", "perceptual", "gan")
    )

    def step(data: Batch) -> float:
        judge.requires_grad_(False)
        optimizers[0].zero_grad()
        out, gt = net(data["lq"]), data["gt"]
        loss = pixel(out, gt) + negative(out, *(data[name] for name in negative.inputs[1:]))
        loss = loss + perceptual(out, gt)[0] + gan(judge(out), True, is_disc=False)
        loss.backward()
        optimizers[0].step()
        judge.requires_grad_(True)
        optimizers[1].zero_grad()
        gan(judge(gt), True, is_disc=True).backward()
        gan(judge(out.detach()), False, is_disc=True).backward()
        optimizers[1].step()
        for mean, value in zip(average.parameters(), net.parameters(), strict=True):
            mean.data.mul_(train["ema_decay"]).add_(value.data, alpha=1 - train["ema_decay"])
        return loss.item()

    return step


if __name__ == "__main__":
    main()
