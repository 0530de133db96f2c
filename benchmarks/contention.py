"""How much another busy program slows this one down, as JSON.

Each variant is a process of its own, since libraries read their settings when they are loaded. All
run the same short tasks in turn, on idle cores, beside one busy process, and beside one a core.

  python benchmarks/contention.py
  python benchmarks/contention.py --variants default GOMP_SPINCOUNT=1000 GOMP_SPINCOUNT=20000
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from common import report

from smoothkit.core.cpu import SPINNING, prepare_threads, usable_cpus

BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        default=["default", "smoothkit"],
        metavar="NAME=VALUE,...",
        help="environments: 'default' sets nothing, 'smoothkit' what its commands set",
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of each task in a round; at least two calls"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    serve() if args.serve else compare(args)


def compare(args: argparse.Namespace) -> None:
    loads = {"idle": 0, "one core busy": 1, "all cores busy": usable_cpus()}
    times: dict[tuple[str, str, str], list[float]] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(server(name)) for name in args.variants}
        for ask in servers.values():
            for task in args.tasks:
                ask(task, 0.0)  # warm
        for number in range(args.rounds):
            for load, count in loads.items():
                print(f"round {number + 1}: {load}", file=sys.stderr)
                with busy(count):
                    for task in args.tasks:
                        for name, ask in servers.items():
                            times.setdefault((task, load, name), []).extend(ask(task, args.seconds))
    medians = {key: statistics.median(values) for key, values in times.items()}
    report(
        what="tasks beside busy processes",
        cpus=usable_cpus(),
        variants={name: settings(name) for name in args.variants},
        seconds={
            task: {
                load: {
                    name: {
                        "median": medians[task, load, name],
                        "largest": max(times[task, load, name]),
                        "times_idle": medians[task, load, name] / medians[task, "idle", name],
                    }
                    for name in args.variants
                }
                for load in loads
            }
            for task in args.tasks
        },
    )


def settings(variant: str) -> dict[str, str]:
    """What a variant adds to the environment."""
    if variant == "default":
        return {}
    if variant == "smoothkit":
        environ: dict[str, str] = {}
        prepare_threads(environ)
        return environ
    return dict(text.split("=", 1) for text in variant.split(","))


@contextmanager
def server(variant: str) -> Iterator[Callable[[str, float], list[float]]]:
    """A process that runs tasks, and a function that asks it to."""
    inherited = {name: v for name, v in os.environ.items() if name not in SPINNING}
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command,
        env=inherited | settings(variant),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask(task: str, seconds: float) -> list[float]:
            print(task, seconds, file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but turn."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    time.sleep(0.5 if count else 0.1)
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def serve() -> None:
    """Read 'task seconds' lines, answer with the seconds of each call in that time."""
    made: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        task, limit = line.split()
        if task not in made:
            made[task] = TASKS[task]()
        taken: list[float] = []
        while len(taken) < 2 or sum(taken) < float(limit):
            started = time.perf_counter()
            made[task]()
            taken.append(time.perf_counter() - started)
        print(json.dumps(taken), flush=True)


def training() -> Callable[[], object]:
    """The step of the smoothing demo."""
    import torch

    from smoothkit.models import build_model

    torch.manual_seed(0)
    losses = {
        "coarse_opt": {"type": "L1Loss", "pred": "coarse"},
        "pixel_opt": {"type": "L1Loss"},
        "ssim_opt": {"type": "MultiScaleSSIMLoss", "loss_weight": 0.1},
        "edge_opt": {"type": "BalancedEdgeLoss", "normalize": True, "loss_weight": 0.1},
    }
    optim = {"type": "Adam", "lr": 1e-4, "fused": True}
    network = {"type": "JESSNet", "dim": 16, "num_block": 1}
    train = {"optim_g": optim, **losses}
    model = build_model({"num_gpu": 0, "network_g": network, "train": train})
    gt = torch.rand(8, 3, 64, 64)
    batch = {"lq": torch.rand_like(gt), "gt": gt, "edge": (gt[:, :1] > 0.9).byte()}

    def step() -> None:
        model.feed_data(batch)
        model.optimize_parameters(1)

    return step


def inference() -> Callable[[], object]:
    """The demo's network on an image."""
    import numpy as np

    from smoothkit.archs import build_network
    from smoothkit.models.restorer import Restorer, RestorerSettings

    net = build_network({"type": "JESSNet", "dim": 16, "num_block": 1}).eval()
    restorer = Restorer(net, "cpu", RestorerSettings(tile_size=320))
    image = np.random.default_rng(0).random((320, 320, 3), np.float32)
    return lambda: restorer(image)


def filtering() -> Callable[[], object]:
    """Filters by sparse solves, by Fourier transforms and by OpenCV."""
    import numpy as np

    from smoothkit.ops.filters import apply_filter

    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    names = ("rtv", "l0", "bilateral_opencv")
    return lambda: [apply_filter(name, image, {}) for name in names]


def metrics() -> Callable[[], object]:
    """PSNR and SSIM, and the features of VGG-16 that LPIPS and DISTS compare."""
    import torch

    from smoothkit.archs.vgg import load_vgg16
    from smoothkit.metrics import calculate_metric

    generator = torch.Generator().manual_seed(0)
    pair = {name: torch.rand(3, 256, 256, generator=generator) for name in ("img", "img2")}
    vgg = load_vgg16((3, 8, 15), "random")

    def measure() -> None:
        for name in ("psnr", "ssim"):
            calculate_metric(pair, {"type": name})
        with torch.no_grad():
            vgg(torch.stack(list(pair.values()))[..., :128, :128])

    return measure


TASKS: Mapping[str, Callable[[], Callable[[], object]]] = {
    "training": training,
    "inference": inference,
    "filters": filtering,
    "metrics": metrics,
}

if __name__ == "__main__":
    main()
