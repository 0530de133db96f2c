"""The device and the precision of a run, chosen once."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

import torch

from smoothkit.core.errors import DataError, Fault, OptionError

log = logging.getLogger(__name__)

# In the words of the CPU's allocator, of oneDNN and of MPS, which raise plain errors.
_NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "could not create a primitive",
    "could not create a memory",
    "could not execute a primitive",
    "MPS backend out",
    "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED",
)


def accelerator() -> str | None:
    """``cuda`` or ``mps`` where this machine has one."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return None


def accelerator_count() -> int:
    """How many accelerators this machine has."""
    kind = accelerator()
    return torch.cuda.device_count() if kind == "cuda" else int(kind is not None)


def device_faults(num_gpu: int | str, *, is_launched: bool = False) -> list[Fault]:
    """The fault of asking for more accelerators than there are, or none.

    Under a launcher the number of processes says how many are used, and one may see a single one.
    """
    count = accelerator_count()
    if num_gpu == "auto" or int(num_gpu) <= max(count, 1) or (is_launched and count):
        return []
    message = f"asks for {num_gpu} accelerators, but this machine has {count}. "
    return [Fault("num_gpu", f"{message}Use 'auto', or 0 for the CPU.")]


def choose_device(
    num_gpu: int | str = "auto",
    *,
    local_rank: int = 0,
    is_launched: bool = False,
    takes_turns: bool = False,
    hint: str = "For all of them: torchrun --nproc_per_node={count} -m smoothkit.train "
    "-opt FILE.yml",
) -> torch.device:
    """The device of this process.

    Args:
        num_gpu: ``auto``, 0 for the CPU, or how many accelerators the option file asks for.
        local_rank: number of this process on its machine.
        is_launched: started by torchrun or Slurm, one process for each device.
        takes_turns: device number ``local_rank`` modulo their count, as in BasicSR; Slurm may show
            each process a single one.
        hint: what to do to use several, with their ``{count}``.

    Raises:
        OptionError: 2 or more are asked for and the machine has fewer.
    """
    kind, count = accelerator(), accelerator_count()
    wanted = count if num_gpu == "auto" else int(num_gpu)
    faults = device_faults(num_gpu, is_launched=is_launched)
    if faults:
        raise OptionError(faults)
    if wanted == 0:
        return torch.device("cpu")
    if kind is None:
        log.warning("num_gpu: %d, but this machine has no accelerator; running on the CPU.", wanted)
        return torch.device("cpu")
    if wanted > 1 and not is_launched:
        log.warning("One of %d GPUs is used. %s", wanted, hint.replace("{count}", str(wanted)))
    if takes_turns and kind == "cuda":
        local_rank %= count
    if is_launched and kind == "cuda" and local_rank >= count:
        message = f"this machine has {count} GPUs, and process {local_rank} was started on it. "
        raise OptionError(f"{message}Start no more processes than that (--nproc_per_node).")
    return torch.device(kind, local_rank if kind == "cuda" else 0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator, oneDNN, MPS, and what CUDA's libraries allocate raise plain errors.
    return any(text in str(error) for text in _NO_MEMORY)


def is_broken(error: BaseException) -> bool:
    """Whether CUDA failed in this process, where every call after it fails too."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def refuse_device_failure(error: BaseException, what: str) -> None:
    """Do nothing, unless the device is at fault: then ``what`` must not be blamed or skipped.

    Raises:
        DataError: out of memory, or CUDA broken.
    """
    if is_out_of_memory(error):
        message = "out of memory. Set predictor.tile_size, or leave more memory free."
        raise DataError(f"{what}: {message}") from error
    if is_broken(error):
        reason = str(error).partition("\n")[0]
        raise DataError(f"{what}: the GPU failed ({reason}). Start again.") from error


@cache
def cpu_has_bf16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware (AMX or AVX-512 BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def choose_precision(amp: str | bool, device: torch.device) -> torch.dtype:
    """The data type that ``train.amp`` means on ``device``; ``auto`` says what it took."""
    if amp in (False, "off"):
        return torch.float32
    if amp not in ("auto", "bf16", "fp16"):
        raise ValueError(f"amp: must be off, auto, bf16 or fp16, got {amp!r}.")
    if amp != "auto":
        return {"bf16": torch.bfloat16, "fp16": torch.float16}[str(amp)]
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = device.type == "cpu" and cpu_has_bf16()
    why = "this hardware has it" if fast else "this hardware has no fast bf16"
    log.info("amp: auto takes %s on %s: %s.", "bf16" if fast else "float32", device, why)
    return torch.bfloat16 if fast else torch.float32
