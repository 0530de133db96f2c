"""Several processes as one run; every function here also works in a single one."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from smoothkit.core.errors import FailedElsewhereError, OptionError, SmoothkitError
from smoothkit.core.settings import DistSettings

# The processes once more where nccl joins them, which would put objects on the GPU; else None.
_cpu_group: Any = None


def is_launched(launcher: str) -> bool:
    """Whether this process is one of several; torchrun is recognised under ``none`` too."""
    return launcher != "none" or "TORCHELASTIC_RUN_ID" in os.environ


def launcher_environment(launcher: str, settings: DistSettings) -> dict[str, str]:
    """What ``torch.distributed`` reads from the environment, for how this process was started.

    Args:
        launcher: ``none``, ``pytorch`` or ``slurm``; torchrun is also recognised under ``none``,
            since without that its processes would train separately into one folder.

    Raises:
        OptionError: the launcher's variables are missing.
    """
    if not is_launched(launcher):
        return {}
    if launcher == "slurm":
        return _slurm_environment(settings)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    found = {name: os.environ[name] for name in names if name in os.environ}
    if len(found) < len(names):
        raise OptionError(
            f"--launcher {launcher}: {', '.join(names)} are not set. Start with "
            "torchrun --nproc_per_node=N -m smoothkit.train -opt FILE.yml"
        )
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(settings.port)} | {
        k: v for k, v in os.environ.items() if k in {*names, "MASTER_ADDR", "MASTER_PORT"}
    }


def start(environment: Mapping[str, str], device: torch.device, settings: DistSettings) -> None:
    """Join the other processes; nothing to do where there is no launcher."""
    if not environment or dist.is_initialized():
        return
    os.environ.update(environment)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = settings.backend or ("nccl" if device.type == "cuda" else "gloo")
    if backend == "nccl" and device.type != "cuda":
        backend = "gloo"  # BasicSR's files say nccl whatever they run on
    timeout = timedelta(minutes=settings.timeout_minutes)
    dist.init_process_group(backend, timeout=timeout)
    if backend == "nccl":
        global _cpu_group
        _cpu_group = dist.new_group(backend="gloo", timeout=timeout)


def stop() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        # A wrapped network that waits for the garbage collector would keep the group's threads
        # beyond the end of the interpreter, which then aborts.
        gc.collect()
        dist.destroy_process_group()
        global _cpu_group
        _cpu_group = None


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def sum_over_ranks(value: torch.Tensor) -> torch.Tensor:
    """The sum of ``value`` over all processes, in each of them; ``value`` itself is left alone."""
    if world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def average_gradients(params: Iterable[torch.nn.Parameter]) -> None:
    """Replace gradients by their mean over the processes, all in one message.

    A process without a gradient counts as one of zeros; where no process has one, none is made.
    """
    params = list(params)
    if world_size() == 1 or not params:
        return
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
    counts = params[0].new_tensor([float(p.grad is not None) for p in params])
    flat = torch.cat([*(grad.flatten() for grad in grads), counts])
    dist.all_reduce(flat)
    parts = flat.split([*(g.numel() for g in grads), len(params)])
    # Only a process that lacks one has to wait for its device to know.
    has_all = all(p.grad is not None for p in params)
    is_known = [True] * len(params) if has_all else (parts[-1] > 0).tolist()
    for param, grad, part, known in zip(params, grads, parts[:-1], is_known, strict=True):
        if known:
            param.grad = grad.copy_(part.view_as(grad) / world_size())


def any_rank(flags: torch.Tensor) -> torch.Tensor:
    """Elementwise maximum over all processes: for flags."""
    if world_size() == 1:
        return flags
    flags = flags.clone()
    dist.all_reduce(flags, op=dist.ReduceOp.MAX, group=_group_for(flags.device))
    return flags


@contextmanager
def together() -> Iterator[None]:
    """What fails in one process fails in all: with its own error in the first such, which says it.

    Within, no process may wait for another.

    Raises:
        FailedElsewhereError: in the others.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as raised:
        error = raised
    size = world_size()
    turn = float(size - rank()) if error is not None else 0.0
    first = int(any_rank(torch.tensor(turn)).item())
    if error is not None and first == size - rank():
        raise error
    if first:
        raise FailedElsewhereError(f"process {size - first} failed") from error


@contextmanager
def alike(launcher: str) -> Iterator[None]:
    """For what all processes of a machine find alike: only the first of them says what is wrong.

    Raises:
        FailedElsewhereError: in the others.
    """
    try:
        yield
    except SmoothkitError as error:
        if _local_rank(launcher):
            raise FailedElsewhereError("the first process of this machine failed") from error
        raise


def _local_rank(launcher: str) -> int:
    """Number of this process on its machine, also before it has joined the others."""
    if launcher == "slurm":
        return int(os.environ.get("SLURM_LOCALID", 0))
    return int(os.environ.get("LOCAL_RANK", 0)) if is_launched(launcher) else 0


def gather_to_main(value: Any) -> list[Any]:
    """``value`` of every process, in order of rank, in the first one; empty in the others."""
    if world_size() == 1:
        return [value]
    values: list[Any] | None = [None] * world_size() if rank() == 0 else None
    dist.gather_object(value, values, group=_cpu_group)
    return values or []


def from_main(value: Any) -> Any:
    """What the first process passes in."""
    if world_size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0, group=_cpu_group)
    return values[0]


def broadcast(value: torch.Tensor) -> None:
    """Overwrite ``value`` with that of the first process."""
    if world_size() > 1:
        dist.broadcast(value, src=0)


def broadcast_network(net: torch.nn.Module) -> None:
    """Give every process the weights and buffers of the first one's network."""
    for value in (*net.parameters(), *net.buffers()):
        broadcast(value.data)


def barrier() -> None:
    """Wait for all processes."""
    if world_size() > 1:
        dist.barrier()


def _group_for(device: torch.device) -> Any:
    """The processes as they exchange tensors of ``device``; None: the default group."""
    return _cpu_group if device.type == "cpu" else None


def _slurm_environment(settings: DistSettings) -> dict[str, str]:
    needed = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST")
    missing = [name for name in needed if name not in os.environ]
    if missing:
        raise OptionError(f"--launcher slurm: {', '.join(missing)} not set. Start with srun.")
    hosts = subprocess.run(
        ["scontrol", "show", "hostname", os.environ["SLURM_NODELIST"]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return {
        "RANK": os.environ["SLURM_PROCID"],
        "WORLD_SIZE": os.environ["SLURM_NTASKS"],
        "LOCAL_RANK": os.environ.get("SLURM_LOCALID", "0"),
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", hosts[0]),
        "MASTER_PORT": os.environ.get("MASTER_PORT", str(settings.port)),
    }
