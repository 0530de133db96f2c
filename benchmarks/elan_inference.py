"""ELAN on a photograph: ours against a plain one in eager float32, as JSON.

The plain one computes as the paper's code does: channels before pixels in memory, BatchNorm by
itself, matrices of attention as a whole. ``--megapixels N`` instead sends one photograph of that
size through, alone in the process, and reports time and peak memory; with ``--plain`` through the
plain one. The network is short by default (full size: ``--m_elan 36``): all layers are alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from common import interleaved, peak_megabytes, report
from torch import Tensor, nn

from smoothkit.archs import build_network
from smoothkit.models.restorer import Restorer, RestorerSettings

WHOLE = 10**6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="of the image; default: %(default)s")
    parser.add_argument("--m_elan", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megapixels", type=float, help="one photograph of this size instead")
    parser.add_argument("--tile_size", type=int, help="of its tiles; default: whole")
    parser.add_argument("--plain", action="store_true", help="send it through the plain one")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.megapixels:
        large(args)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    net = network(args.m_elan)
    values = photograph(args.side, args.side)
    restorer = Restorer(net, args.device, RestorerSettings(tile_size=WHOLE))
    plain = plain_run(net, args.device)
    found, expected = restorer(values), plain(values)
    seconds = interleaved(
        {"plain": lambda: plain(values), "ours": lambda: restorer(values)}, args.repeats
    )
    report(
        what="ELAN, one image, whole",
        side=args.side,
        m_elan=args.m_elan,
        seconds=seconds,
        times_faster=seconds["plain"] / seconds["ours"],
        largest_error=float(np.abs(found - expected).max()),
        result_range=[float(expected.min()), float(expected.max())],
    )


def large(args: argparse.Namespace) -> None:
    height = round((args.megapixels * 1e6 / 1.5) ** 0.5)
    values = photograph(height, height * 3 // 2)
    net, size = network(args.m_elan), args.tile_size or WHOLE
    run: Callable[[np.ndarray], np.ndarray] = (
        plain_run(net, args.device)
        if args.plain
        else Restorer(net, args.device, RestorerSettings(tile_size=size, tile_pad=24))
    )
    before = peak_megabytes()
    started = time.perf_counter()
    run(values)
    report(
        what="plain ELAN, one photograph" if args.plain else "ELAN, one photograph",
        size=values.shape[:2],
        m_elan=args.m_elan,
        tile_size=args.tile_size or "whole",
        seconds=time.perf_counter() - started,
        memory_before_mb=before,
    )


def photograph(height: int, width: int) -> np.ndarray:
    """(H, W, 3) float32 in [0, 1]."""
    return np.random.default_rng(0).random((height, width, 3), np.float32)


def network(m_elan: int) -> nn.Module:
    """ELAN with the published width and the statistics of a trained one."""
    torch.manual_seed(0)
    net = build_network({"type": "ELAN", "m_elan": m_elan}).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.running_mean, 0, 0.1)
    return net


def plain_run(net: nn.Module, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function of images (H, W, 3), as a script would write it."""
    net = net.to(device)

    @torch.no_grad()
    def run(values: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(values).permute(2, 0, 1)[None].contiguous().to(device)
        return plain_forward(net, image)[0].permute(1, 2, 0).cpu().numpy()

    return run


def plain_forward(net: nn.Module, x: Tensor) -> Tensor:
    """What ELAN of scale 1, with windows of 4, 8 and 16 and without shared attention, computes."""
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="reflect")
    first = net.head((x - net.mean) * 255)
    y = first
    for index, block in enumerate(net.body):
        y = plain_convolutions(block.modules_lfe["lfe_0"], y) + y
        y = plain_attention(block.modules_gmsa["gmsa_0"], y, is_shifted=index % 2 == 1) + y
    return (net.tail(y + first) / 255 + net.mean)[..., :height, :width]


def plain_convolutions(layer: nn.Module, x: Tensor) -> Tensor:
    for index, part in enumerate((layer.conv0.shift_conv, layer.conv1.shift_conv)):
        x = torch.relu(x) if index else x
        x = part.conv1x1(F.conv2d(x, part.weight, padding=1, groups=x.shape[1]))
    return x


def plain_attention(layer: nn.Module, x: Tensor, *, is_shifted: bool) -> Tensor:
    count, channels, height, width = x.shape
    results = []
    for side, part in zip((4, 8, 16), layer.project_inp(x).chunk(3, 1), strict=True):
        if is_shifted:
            part = part.roll((-side // 2, -side // 2), (2, 3))
        grid = (count, -1, height // side, side, width // side, side)
        tokens = part.reshape(grid).permute(0, 2, 4, 3, 5, 1)
        tokens = tokens.reshape(-1, side * side, 2 * channels // 3)
        query, value = tokens.chunk(2, -1)
        matrices = (query @ query.transpose(-2, -1)).softmax(-1)
        result = (matrices @ value).reshape(count, height // side, width // side, side, side, -1)
        result = result.permute(0, 5, 1, 3, 2, 4).reshape(count, -1, height, width)
        results.append(result.roll((side // 2, side // 2), (2, 3)) if is_shifted else result)
    return layer.project_out(torch.cat(results, 1))


if __name__ == "__main__":
    main()
