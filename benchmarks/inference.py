"""A full-size JESS-Net on photographs: ours against the plain network in eager float32, as JSON.

``--megapixels N`` instead sends one photograph of that size through, alone in the process, and
reports time and peak memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from common import interleaved, peak_megabytes, report
from torch import nn

from smoothkit.archs import build_network
from smoothkit.models.predictor import named_outputs
from smoothkit.models.restorer import Restorer, RestorerSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=320, help="of the image; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megapixels", type=float, help="one photograph of this size instead")
    parser.add_argument("--amp", choices=("off", "bf16"), default="off")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.megapixels:
        large(args)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    net = network()
    image = np.random.default_rng(0).integers(0, 256, (args.side, args.side, 3), np.uint8)
    ours = {
        name: Restorer(net, args.device, RestorerSettings(dtype=dtype, tile_size=args.side))
        for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16))
    }
    plain = plain_pass(net, image, args.device)
    values = image / np.float32(255)
    expected = plain().numpy()
    errors = {name: np.abs(restorer(values) - expected) for name, restorer in ours.items()}
    seconds = interleaved(
        {"plain": plain} | {name: lambda r=r: r(values) for name, r in ours.items()}, args.repeats
    )
    report(
        what="full-size JESS-Net, one image, whole",
        side=args.side,
        seconds=seconds,
        times_faster={name: seconds["plain"] / seconds[name] for name in ours},
        largest_error={name: float(error.max()) for name, error in errors.items()},
        mean_error_in_grey_levels={n: float(255 * e.mean()) for n, e in errors.items()},
        result_range=[float(expected.min()), float(expected.max())],
    )


def plain_pass(
    net: nn.Module, image: np.ndarray, device: torch.device | str
) -> Callable[[], torch.Tensor]:
    """A network on an image (H, W, 3) of bytes, as a script would write it."""
    net = net.to(device).eval()
    pixels = torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None].contiguous()

    @torch.no_grad()
    def run() -> torch.Tensor:
        return named_outputs(net, net(pixels.to(device)))["pred"][0].permute(1, 2, 0).cpu()

    return run


def large(args: argparse.Namespace) -> None:
    height = round((args.megapixels * 1e6 / 1.5) ** 0.5)
    image = np.random.default_rng(0).integers(0, 256, (height, height * 3 // 2, 3), np.uint8)
    dtype = torch.bfloat16 if args.amp == "bf16" else torch.float32
    restorer = Restorer(network(), args.device, RestorerSettings(dtype=dtype))
    before = peak_megabytes()
    started = time.perf_counter()
    plan = restorer.tiling.plan(*image.shape[:2], restorer._tile_size(*image.shape[:2]))
    restorer(image)
    report(
        what="full-size JESS-Net, one photograph in tiles",
        size=image.shape[:2],
        amp=args.amp,
        tiles=len(plan),
        seconds=time.perf_counter() - started,
        memory_before_mb=before,
    )


def network(**size: int) -> nn.Module:
    """JESS-Net, of 20 blocks by default, with the statistics and results of a trained one."""
    torch.manual_seed(0)
    net = build_network({"type": "JESSNet", **size}).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.running_mean, 0, 0.1)
    with torch.no_grad():
        result = net.named(net(torch.rand(1, 3, 64, 64)))["pred"]
        for layer in (net.interpreter2[-1], net.refine[-1]):
            layer.weight *= 0.25 / result.std()
            layer.bias.fill_(0.25)
    return net


if __name__ == "__main__":
    main()
