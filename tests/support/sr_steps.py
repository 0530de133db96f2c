"""Two steps of super-resolution with negatives, in one process or as part of several.

``python -m support.sr_steps OUT NEGATIVES``: NEGATIVES are the samples of the whole batch of four
that have a negative, as in ``0,1``; OUT gets the weights and what was logged.
"""

from __future__ import annotations

import sys

import torch

from support.steps import make_steps

SGD = {"type": "SGD", "lr": 0.01}
OPTIONS = {
    "scale": 4,
    "num_gpu": 0,
    "network_g": {"type": "RRDBPSNet", "num_feat": 4, "num_block": 1, "num_grow_ch": 4},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train": {
        "optim_g": SGD,
        "optim_d": SGD,
        "pixel_opt": {"type": "L1Loss"},
        "negative_opt": {"type": "NegativeGTLoss"},
        "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    },
}


def batch(seed: int, negatives: set[int]) -> dict[str, torch.Tensor]:
    """Four samples."""
    generator = torch.Generator().manual_seed(seed)
    sides = {"lq": 8, "gt": 32, "original": 32, "negative": 32, "positive": 32}
    made = {name: torch.rand(4, 3, side, side, generator=generator) for name, side in sides.items()}
    votes = torch.tensor([3 * (sample in negatives) for sample in range(4)])
    others = {"positive_votes": torch.full((4,), 2), "num_annotators": torch.full((4,), 3)}
    return {**made, "negative_votes": votes, **others}


def main(out: str, negatives: str) -> None:
    chosen = {int(text) for text in negatives.split(",") if text}
    make_steps(OPTIONS, [batch(seed, chosen) for seed in range(2)], out)


if __name__ == "__main__":
    main(*sys.argv[1:])
