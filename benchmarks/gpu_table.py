"""Training steps and inference of every system, ours against plain eager float32, on a GPU.

Ours are the options of a training file: float32, bf16 in channels-last layout, and with --compile
that compiled. Plain runs have PyTorch's switches, ours those of a training (TF32, cudnn.benchmark);
inference has PyTorch's. Each row is printed, and appended to rows.jsonl, as soon as it is measured;
in the end table.json and table.md. Without an accelerator, and with --small, tiny networks try the
program.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import csgis_step
import inference
import matting_inference
import matting_step
import numpy as np
import sr_step
import torch
import training_step
from common import interleaved, machine, peak_megabytes

from smoothkit.archs import build_network
from smoothkit.core.basicsr_compat import is_installed
from smoothkit.core.devices import accelerator
from smoothkit.core.settings import RunSettings
from smoothkit.models.networks import can_compile
from smoothkit.models.restorer import Restorer, RestorerSettings
from smoothkit.systems.lsa.matting import Matting

Run = Callable[[], object]
Builders = dict[str, Callable[[], Run]]

OURS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bf16": {"channels_last": True, "amp": "bf16"},
    "bf16 compiled": {"channels_last": True, "amp": "bf16", "compile": True},
}
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
# Batches and patches are those of the published option files; ``side`` is that of inference.
FULL: dict[str, dict[str, Any]] = {
    "jess": {"batch": 2, "patch": 128, "dim": 64, "num_block": 20, "side": 512},
    "csgis": {"batch": 8, "patch": 128, "dim": 64, "num_block": 12, "side": 512},
    "lsa": {"batch": 16, "patch": 640, "width": 64, "blocks": (3, 4, 6, 3), "side": 1024},
    "hggt_sr": {"batch": 12, "patch": 256, "num_feat": 64, "num_block": 23, "side": 256},
}
SMALL: dict[str, dict[str, Any]] = {
    "jess": {"batch": 2, "patch": 32, "dim": 8, "num_block": 1, "side": 48},
    "csgis": {"batch": 2, "patch": 32, "dim": 8, "num_block": 1, "side": 48},
    "lsa": {"batch": 2, "patch": 64, "width": 4, "blocks": (1, 1, 1, 1), "side": 48},
    "hggt_sr": {"batch": 2, "patch": 32, "num_feat": 8, "num_block": 1, "side": 16},
}
# (TF32 in products, TF32 in convolutions, cudnn.benchmark), as PyTorch and as a training has them.
PYTORCH = (False, True, False)
TRAINING = (RunSettings.tf32, RunSettings.tf32, RunSettings.cudnn_benchmark)
# Nothing is begun with less time left, and no system takes longer to be timed.
LEAST_SECONDS, MOST_SECONDS = 10.0, 15.0


@dataclass
class Table:
    """What was measured, and where it goes.

    Args:
        out: folder; None for none.
        rows: of the table.
        left_out, failed: what else should have been in it, with the reason.
    """

    out: Path | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, and write it at once."""
        self.rows.append(row)
        line = json.dumps(row)
        print(line, flush=True)
        if self.out is not None:
            with (self.out / "rows.jsonl").open("a") as file:
                file.write(f"{line}\n")

    def write(self, **facts: Any) -> None:
        """Print the table in Markdown; write that, and all of it in JSON."""
        text = "\n".join(markdown(self.rows))
        print(f"\n{text}\n")
        for line in self.left_out:
            print(f"left out: {line}")
        for line in self.failed:
            print(f"failed: {line}")
        if self.out is not None:
            content = {**facts, "rows": self.rows}
            content |= {"left_out": self.left_out, "failed": self.failed}
            (self.out / "table.json").write_text(json.dumps(content, indent=2) + "\n")
            (self.out / "table.md").write_text(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny networks")
    parser.add_argument("--compile", action="store_true", help="compiled steps, too, at the end")
    parser.add_argument("--seconds", type=float, default=240, help="after which nothing is begun")
    parser.add_argument("--repeats", type=int, default=10, help="of which the median is taken")
    parser.add_argument("--systems", nargs="+", choices=FULL, default=list(FULL))
    parser.add_argument("--out", type=Path, help="folder for rows.jsonl, table.json and table.md")
    args = parser.parse_args()
    # As Ctrl-C does, so that what is measured gets written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    device = torch.device("cuda" if accelerator() == "cuda" else "cpu")
    args.small = args.small or device.type == "cpu"
    table = Table(args.out)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "rows.jsonl").unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            fill(table, args, device, Path(folder), until=started + args.seconds)
    except KeyboardInterrupt:
        table.left_out.append("what comes after these: the program was interrupted")
    table.write(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        machine=machine(),
        torch=torch.__version__,
        is_small=args.small,
        seconds=round(time.monotonic() - started, 1),
    )
    return int(bool(table.failed))


def fill(table: Table, args: Namespace, device: torch.device, folder: Path, until: float) -> None:
    """Measure as long as there is time."""
    for what, system, build in cases(args, device, folder):
        reason = reason_to_leave_out(what, system, device, until)
        if reason:
            table.left_out.append(f"{what} of {system}: {reason}")
            continue
        try:
            measure(what, system, size_of(system, args), build(), device, args.repeats, table)
        except Exception as error:  # one system must not take the rows of the others with it
            table.failed.append(f"{what} of {system}: {described(error)}")
        gc.collect()
        torch.cuda.empty_cache()


def cases(
    args: Namespace, device: torch.device, folder: Path
) -> Iterator[tuple[str, str, Callable[[], Builders]]]:
    """What to measure, what matters most first: its kind, the system, and what builds it."""
    for system in args.systems:
        ways = ("float32", "bf16")
        yield "training", system, partial(training, system, args, device, folder, ways)
    for system in args.systems:
        yield "inference", system, partial(INFERENCE[system], size_of(system, args), device)
    for system in args.systems if args.compile else ():
        ways = ("bf16 compiled",)
        yield "compiled training", system, partial(training, system, args, device, folder, ways)


def reason_to_leave_out(what: str, system: str, device: torch.device, until: float) -> str:
    if system == "hggt_sr" and not is_installed():
        return "BasicSR is not installed here"
    if what.startswith("compiled") and not can_compile(device):
        return "there is no compiler here"
    return "its time was over" if time.monotonic() + LEAST_SECONDS > until else ""


def described(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def size_of(system: str, args: Namespace) -> dict[str, Any]:
    return (SMALL if args.small else FULL)[system]


def measure(
    what: str,
    system: str,
    size: dict[str, Any],
    builders: Builders,
    device: torch.device,
    repeats: int,
    table: Table,
) -> None:
    """Add a row for each way of doing one thing."""
    runs: dict[str, Run] = {}
    peaks, slowest = {}, 0.0
    for way, build in builders.items():
        before = allocated(device)
        try:
            run = synchronised(build(), device)
            run()
            own = allocated(device) - before  # weights and moments, which stay
            peaks[way], seconds = peak_of(run, device, own)
        except Exception as error:  # such as too little memory for the plain step
            table.failed.append(f"{what} of {system}, {way}: {described(error)}")
            continue
        runs[way] = run
        slowest += seconds
    rounds = int(MOST_SECONDS / slowest) if runs else 0
    medians = interleaved(runs, min(repeats, max(rounds, 3)), warmup=0)  # they have run twice
    is_training = what != "inference"
    count, side = (size["batch"], size["patch"]) if is_training else (1, size["side"])
    for way, value in medians.items():
        table.add(
            {
                "system": system,
                "what": what,
                "way": way,
                "images": count,
                "side": side,
                "seconds": value,
                "images_per_second": count / value,
                "peak_memory_mb": peaks[way],
                "times_faster": medians["plain"] / value if "plain" in medians else None,
            }
        )


def synchronised(run: Run, device: torch.device) -> Run:
    def call() -> None:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return call


def allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def peak_of(run: Run, device: torch.device, own: int) -> tuple[int, float]:
    """Peak memory in MB of one run and of what stays for it; and its seconds.

    On the CPU it is the peak of the process so far.
    """
    base = allocated(device) - own
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    if device.type != "cuda":
        return peak_megabytes(), seconds
    return (torch.cuda.max_memory_allocated(device) - base) // 2**20, seconds


def switched(run: Run, switches: tuple[bool, bool, bool]) -> Run:
    """``run`` under other switches of CUDA."""

    def call() -> None:
        torch.backends.cuda.matmul.allow_tf32 = switches[0]
        torch.backends.cudnn.allow_tf32 = switches[1]
        torch.backends.cudnn.benchmark = switches[2]
        run()

    return call


def training(
    system: str, args: Namespace, device: torch.device, folder: Path, ways: tuple[str, ...]
) -> Builders:
    """The steps of a system on one batch, the plain one and some of ``OURS``."""
    size = Namespace(**size_of(system, args), num_gpu=int(device.type != "cpu"), strict=False)
    data, plain, ours = STEPS[system](size, device.type, Path(tempfile.mkdtemp(dir=folder)))

    def built(make: Callable[[], Any], switches: tuple[bool, bool, bool]) -> Run:
        return switched(partial(make(), data), switches)

    steps = {way: partial(ours, dict(OURS[way])) for way in ways}
    builders: Builders = {"plain": partial(built, plain, PYTORCH)}
    return builders | {way: partial(built, make, TRAINING) for way, make in steps.items()}


def jess_steps(size: Namespace, device: str, folder: Path) -> tuple[Any, ...]:
    net = {"dim": size.dim, "num_block": size.num_block}
    return (
        training_step.batch(size, 0, device),
        lambda: training_step.plain_step(device, **net),
        lambda extra: training_step.our_step(extra, size.num_gpu, **net),
    )


def csgis_steps(size: Namespace, device: str, folder: Path) -> tuple[Any, ...]:
    weights = csgis_step.write_weights(folder)
    return (
        csgis_step.batch(size, 0, device),
        lambda: csgis_step.plain_step(size, weights, device),
        lambda extra: csgis_step.our_step(size, extra, weights),
    )


def lsa_steps(size: Namespace, device: str, folder: Path) -> tuple[Any, ...]:
    return (
        matting_step.batch(size, 0, device),
        lambda: matting_step.plain_step(size, device),
        lambda extra: matting_step.our_step(size, extra),
    )


def sr_steps(size: Namespace, device: str, folder: Path) -> tuple[Any, ...]:
    sr_step.write_vgg19(folder)
    return (
        sr_step.batch(size, 0, device),
        lambda: sr_step.plain_step(size, device),
        lambda extra: sr_step.our_step(size, extra),
    )


STEPS = {"jess": jess_steps, "csgis": csgis_steps, "lsa": lsa_steps, "hggt_sr": sr_steps}


def smoothing(size: dict[str, Any], device: torch.device) -> Builders:
    net = inference.network(dim=size["dim"], num_block=size["num_block"])
    return restoring(net, size["side"], device)


def enlarging(size: dict[str, Any], device: torch.device) -> Builders:
    section = {key: size[key] for key in ("num_feat", "num_block")}
    return restoring(build_network({"type": "RRDBPSNet", **section}), size["side"], device)


def restoring(net: torch.nn.Module, side: int, device: torch.device) -> Builders:
    """A network on one image of bytes."""
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)

    def ours(dtype: torch.dtype) -> Run:
        settings = RestorerSettings(dtype=dtype, tile_size=side)
        return partial(Restorer(net, device, settings), image)

    return inferring(lambda: inference.plain_pass(net, image, device), ours)


def matting(size: dict[str, Any], device: torch.device) -> Builders:
    """The matting network on one image of bytes."""
    net = matting_inference.network(width=size["width"], blocks=size["blocks"])
    pair = matting_inference.picture(size["side"], size["side"])

    def ours(dtype: torch.dtype) -> Run:
        return partial(Matting(net, device, dtype=dtype), *pair)

    return inferring(lambda: matting_inference.plain_matting(net, *pair, device), ours)


def inferring(plain: Callable[[], Run], ours: Callable[[torch.dtype], Run]) -> Builders:
    made = {"plain": plain} | {way: partial(ours, dtype) for way, dtype in DTYPES.items()}
    return {way: lambda make=make: switched(make(), PYTORCH) for way, make in made.items()}


INFERENCE = {"jess": smoothing, "csgis": smoothing, "lsa": matting, "hggt_sr": enlarging}


def markdown(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The table, a line for each row."""
    yield "| system | what | images | way | seconds | images/s | peak memory (MB) | times faster |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        size = f"{row['images']} x {row['side']}²"
        figures = f"{row['seconds']:.4f} | {row['images_per_second']:.1f} | {row['peak_memory_mb']}"
        faster = "" if row["times_faster"] is None else f"{row['times_faster']:.2f}"
        yield f"| {row['system']} | {row['what']} | {size} | {row['way']} | {figures} | {faster} |"


if __name__ == "__main__":
    sys.exit(main())
