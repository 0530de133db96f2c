"""The sections of an option file that the engine itself reads; each field is an allowed key.

Networks, losses, data sets, metrics, models, optimisers and schedulers bring their own keys: the
parameters of their constructors. ``<name>_opt`` in ``train`` is a loss, ``optim_<x>`` an optimiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from smoothkit.core.signature import with_whole_numbers

T = TypeVar("T", bound="Section")
Precision = Literal["off", "auto", "bf16", "fp16"]


@dataclass(frozen=True)
class Section:
    """Base of the sections: built from a mapping, other keys left aside."""

    @classmethod
    def read(cls: type[T], options: Mapping[str, Any] | None) -> T:
        """The section's settings; keys that are not its own are for somebody else to read."""
        names = {f.name for f in fields(cls)}
        own = {key: value for key, value in (options or {}).items() if key in names}
        return cls(**with_whole_numbers(cls, own))


@dataclass(frozen=True)
class RunSettings(Section):
    """Top level of an option file.

    Args:
        name: the run's name, that of its folders under ``experiments`` and ``results``.
        model_type: a model of the registry.
        scale: output size over input size.
        num_gpu: ``auto`` takes an accelerator where there is one, 0 the CPU, N that many.
        manual_seed: seed of everything random; drawn and logged when absent.
        tf32: CUDA matrix units may round float32 inputs to 10 bits of mantissa.
        cudnn_benchmark: CUDA picks the fastest convolution by trying; not with ``deterministic``.
        deterministic: refuse operations whose result depends on scheduling.
        datasets, path, train, val, logger, dist_params: the sections below.
    """

    name: str
    model_type: str = "RestorationModel"
    scale: int = 1
    num_gpu: int | Literal["auto"] = "auto"
    manual_seed: int | None = None
    tf32: bool = True
    cudnn_benchmark: bool = True
    deterministic: bool = False
    datasets: dict[str, Any] | None = None
    path: dict[str, Any] | None = None
    train: dict[str, Any] | None = None
    val: dict[str, Any] | None = None
    logger: dict[str, Any] | None = None
    dist_params: dict[str, Any] | None = None


@dataclass(frozen=True)
class TrainSettings(Section):
    """``train``.

    Args:
        total_iter: iterations, each one step of the optimiser.
        total_epochs: instead of ``total_iter``: passes over the data set.
        warmup_iter: iterations over which the learning rate rises linearly; -1 for none.
        ema_decay: weight of the past in the averaged network; 0 keeps none.
        scheduler: a scheduler of torch or BasicSR with its options, and ``unit: iter|epoch``.
        amp: mixed precision; ``auto`` takes bf16 where the hardware has it.
        channels_last: lay images out as NHWC in memory.
        compile: compile the network; a text names the mode of ``torch.compile``.
        accumulate: batches per step of the optimiser.
        grad_clip: largest norm of the gradient; ~ leaves it alone.
        freeze_norm_iter: BatchNorm takes its running statistics as they stand after this many
            iterations, in training as in testing; ~ never. 0 makes it a plain scale and shift.
        loss_reduction: ``global`` makes sums over samples equal to those of one process with the
            whole batch.
        find_unused_parameters: as in DistributedDataParallel.
        net_d_iters: with a discriminator: iterations of it for each one of the network.
        net_d_init_iters: iterations of the discriminator before the network begins to train.
    """

    total_iter: int | None = None
    total_epochs: int | None = None
    warmup_iter: int = -1
    ema_decay: float = 0.0
    scheduler: dict[str, Any] | None = None
    amp: Precision | Literal[False] = "off"
    channels_last: bool = False
    compile: bool | str = False
    accumulate: int = 1
    grad_clip: float | None = None
    freeze_norm_iter: int | None = None
    loss_reduction: Literal["local", "global"] = "local"
    find_unused_parameters: bool = False
    net_d_iters: int = 1
    net_d_init_iters: int = 0


@dataclass(frozen=True)
class ValSettings(Section):
    """``val``: validation while training, and testing.

    Args:
        val_freq: iterations, or epochs, between validations; ~ for none.
        unit: of ``val_freq``: ``iter`` or ``epoch``.
        save_best: the metric by which the best network is kept as ``net_g_best.pth``; ~ takes the
            first one of ``metrics``, a list keeps one for each as ``net_g_best_<metric>.pth``,
            false none.
        save_img: write the output images.
        suffix: put behind the stem of written images; ~ puts the run's name there.
        metrics: name -> a metric of the registry with its options.
        grids: number of comparison pictures (input, output, ground truth, error) per data set.
        use_pbar, pbar: show progress on a terminal (the second is BasicSR's older name).
    """

    val_freq: int | None = None
    unit: Literal["iter", "epoch"] = "iter"
    save_best: str | list[str] | Literal[False] | None = None
    save_img: bool = False
    suffix: str | None = None
    metrics: dict[str, Any] | None = None
    grids: int = 4
    use_pbar: bool = True
    pbar: bool = True


@dataclass(frozen=True)
class LoggerSettings(Section):
    """``logger``.

    Args:
        print_freq: iterations between log lines.
        save_checkpoint_freq: iterations, or epochs, between checkpoints.
        unit: of ``save_checkpoint_freq``: ``iter`` or ``epoch``.
        keep_checkpoints: keep this many newest ones; ~ keeps all.
        save_safetensors: also write the network for inference as ``.safetensors``.
        use_tb_logger: write TensorBoard files under ``tb_logger/<name>``.
        wandb: ``project`` (and ``resume_id``) of Weights & Biases, fed from TensorBoard.
    """

    print_freq: int = 100
    save_checkpoint_freq: int = 5000
    unit: Literal["iter", "epoch"] = "iter"
    keep_checkpoints: int | None = None
    save_safetensors: bool = False
    use_tb_logger: bool = False
    wandb: dict[str, Any] | None = None


@dataclass(frozen=True)
class DistSettings(Section):
    """``dist_params``.

    Args:
        backend: ``nccl`` or ``gloo``; by default nccl on CUDA, gloo elsewhere.
        port: of the main process, where the launcher does not say.
        timeout_minutes: how long a process waits for the others.
    """

    backend: Literal["nccl", "gloo"] | None = None
    port: int = 29500
    timeout_minutes: float = 30.0


@dataclass(frozen=True)
class PathSettings(Section):
    """``path``; ``pretrain_network_<x>``, ``strict_load_<x>``, ``param_key_<x>`` besides.

    Args:
        resume_state: a ``.state`` file to go on from.
        experiments_root, results_root, tb_logger_root: where the folders go.
    """

    resume_state: str | None = None
    experiments_root: str = "experiments"
    results_root: str = "results"
    tb_logger_root: str = "tb_logger"


@dataclass(frozen=True)
class LoaderSettings(Section):
    """Keys of ``datasets.<phase>`` that the loader reads; the others are the data set's.

    Args:
        name: shown in logs and used for result folders.
        batch_size_per_gpu, num_worker_per_gpu: per process.
        dataset_enlarge_ratio: passes over the data that count as one epoch.
        use_shuffle: visit the items in random order.
        pin_memory: page-locked memory for faster copies, on CUDA; false: none there either.
        prefetch_factor: batches that each worker prepares ahead.
        start_method: how workers start: ``fork``, ``spawn`` or ``forkserver``.
        on_error: ``skip`` leaves unusable files out, counts and names them at the end.
        prefetch_mode, num_prefetch_queue: BasicSR's; workers prefetch here anyway.
    """

    name: str | None = None
    batch_size_per_gpu: int = 1
    num_worker_per_gpu: int = 0
    dataset_enlarge_ratio: int = 1
    use_shuffle: bool = True
    pin_memory: bool | None = None
    prefetch_factor: int = 2
    start_method: Literal["fork", "spawn", "forkserver"] | None = None
    on_error: Literal["raise", "skip"] = "raise"
    prefetch_mode: str | None = None
    num_prefetch_queue: int = 1


# Keys of a ``datasets.<phase>`` section that are not the data set's own.
LOADER_KEYS = frozenset(f.name for f in fields(LoaderSettings)) | {"phase"}
