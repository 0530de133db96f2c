"""Two steps of enhancement, in one process or as part of several.

``python -m support.enhance_steps OUT``: OUT gets the weights and what was logged.
"""

from __future__ import annotations

import sys

import torch

from support.steps import make_steps

SGD = {"type": "SGD", "lr": 0.01}
OPTIONS = {
    "num_gpu": 0,
    "network_g": {"type": "RCANNOUP", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4,
                  "num_group": 1, "num_block": 1, "squeeze_factor": 2},
    "network_d": {"type": "RealESRGANUNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train": {
        "optim_g": SGD,
        "optim_d": SGD,
        "pixel_opt": {"type": "L1Loss"},
        "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    },
}  # fmt: skip


def batch(seed: int) -> dict[str, torch.Tensor]:
    """Four samples."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(4, 3, 16, 16, generator=generator) for name in ("lq", "gt")}


if __name__ == "__main__":
    make_steps(OPTIONS, [batch(seed) for seed in range(2)], *sys.argv[1:])
