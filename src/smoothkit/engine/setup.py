"""From an option file to a checked run: options completed, processes joined, device chosen."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml

from smoothkit.core import distributed
from smoothkit.core.devices import choose_device
from smoothkit.core.errors import DataError, Fault
from smoothkit.core.files import write_text
from smoothkit.core.made_with import made_with
from smoothkit.core.options import FrozenDict, OptionFile, read_options, thaw
from smoothkit.core.registry import ARCH_REGISTRY
from smoothkit.core.runtime import Folders, Runtime
from smoothkit.core.seeds import seed_everything
from smoothkit.core.settings import (
    DistSettings,
    LoggerSettings,
    PathSettings,
    RunSettings,
    TrainSettings,
    ValSettings,
)
from smoothkit.core.weights import find_checkpoint, load_file, network_meta, network_state
from smoothkit.engine.check import check
from smoothkit.engine.published import in_our_form
from smoothkit.models.infer import infer_network

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A checked option file in this process.

    Args:
        file: the file as read, for messages and copies.
        settings: its top level.
        runtime: this process.
        seed: of everything random in the run.
    """

    file: OptionFile
    settings: RunSettings
    runtime: Runtime
    seed: int

    @property
    def options(self) -> FrozenDict:
        """The whole option file, read-only."""
        return self.file.data

    @cached_property
    def train(self) -> TrainSettings:
        """The engine's part of ``train``; of a run that trains."""
        return TrainSettings.read(self.options["train"])

    @cached_property
    def val(self) -> ValSettings:
        """``val``."""
        return ValSettings.read(self.options.get("val"))

    @cached_property
    def logger(self) -> LoggerSettings:
        """``logger``."""
        return LoggerSettings.read(self.options.get("logger"))

    @cached_property
    def path(self) -> PathSettings:
        """The engine's part of ``path``."""
        return PathSettings.read(self.options.get("path"))


def open_run(
    path: str | Path,
    *,
    is_train: bool,
    launcher: str = "none",
    overrides: Sequence[str] = (),
    is_debug: bool = False,
) -> Run:
    """Read and check an option file, join the other processes, choose the device, seed.

    Raises:
        OptionError: all faults of the file at once.
        DataError: a checkpoint that it names cannot be used.
    """
    file, unread = in_our_form(read_options(path, overrides))
    if is_debug:
        file = file.with_data(_debugging(thaw(file.data)))
    file, faults = complete_networks(file)
    is_launched = distributed.is_launched(launcher)
    report = check(file, is_train=is_train, known=faults, is_launched=is_launched)
    report.unread += unread
    if report.faults:
        raise file.error(report.faults)
    settings = RunSettings.read(file.data)
    dist_settings = DistSettings.read(file.data.get("dist_params"))
    environment = distributed.launcher_environment(launcher, dist_settings)
    local_rank = int(environment.get("LOCAL_RANK", 0))
    module = "smoothkit.train" if is_train else "smoothkit.test"
    device = choose_device(
        settings.num_gpu,
        local_rank=local_rank,
        is_launched=is_launched,
        takes_turns=launcher == "slurm",
        hint=f"For all of them: torchrun --nproc_per_node={{count}} -m {module} -opt {path}",
    )
    distributed.start(environment, device, dist_settings)
    if report.unread and distributed.rank() == 0:
        log.warning("%s: these keys are read by nothing: %s.", path, ", ".join(report.unread))
    seed = settings.manual_seed
    if seed is None:
        seed = distributed.from_main(random.SystemRandom().randrange(1, 10000))
    runtime = Runtime(
        device=device,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        is_train=is_train,
        folders=Folders.of(settings.name, PathSettings.read(file.data.get("path"))),
    )
    _set_backends(settings)
    seed_everything(seed)  # networks start equal in every process
    return Run(file, settings, runtime, seed)


def write_resolved(run: Run, folder: Path) -> None:
    """Write ``options.yml``, what the file and the command line come to, and by which program."""
    made = ", ".join(f"{name} {value}" for name, value in made_with().items() if value)
    text = yaml.safe_dump(thaw(run.options), sort_keys=False, allow_unicode=True)
    write_text(folder / "options.yml", f"# Made with {made}.\n{text}")


def complete_networks(file: OptionFile) -> tuple[OptionFile, list[Fault]]:
    """Fill in what a ``network_<x>`` section leaves out from the checkpoint that it starts from.

    Kind and size come from what smoothkit wrote beside the weights, else from the parameter names.
    What the section gives stands, also where it does not fit the file.

    Returns:
        The completed file, and a fault for each checkpoint that is not there or cannot be used.
    """
    faults: list[Fault] = []
    data: dict[str, Any] = thaw(file.data)
    paths = data.get("path")
    if not isinstance(paths, dict):
        return file, faults
    for key, path in paths.items():
        letter = str(key).removeprefix("pretrain_network_")
        if letter == key or not path:
            continue
        try:
            path = paths[key] = str(find_checkpoint(str(path)))
            held = _held_network(path, paths.get(f"param_key_{letter}"))
        except DataError as error:
            faults.append(Fault.of(f"path.{key}", error))
            continue
        section = data.get(f"network_{letter}") or {}
        if held is None and not section and letter == "g":
            message = f"{path} does not tell which network it holds. Give 'network_g', its section."
            faults.append(Fault(f"path.{key}", message))
        if held and isinstance(section, dict) and _is_same_kind(section, held):
            data[f"network_{letter}"] = {**held, **section}
    return file.with_data(data), faults


def _held_network(path: str, key: str | None) -> dict[str, Any] | None:
    content = load_file(path)
    meta = network_meta(content).get("network")
    if meta:
        return dict(meta)
    try:
        return infer_network(network_state(content, path, key))
    except DataError:
        return None  # loading it will say why


def _is_same_kind(section: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    if "type" not in section:
        return True
    try:
        return ARCH_REGISTRY.get(section["type"]) is ARCH_REGISTRY.get(held["type"])
    except KeyError:
        return False


def _debugging(options: dict[str, Any]) -> dict[str, Any]:
    """BasicSR's ``--debug``: another name, everything reported often."""
    name = str(options.get("name", ""))
    options["name"] = name if name.startswith("debug") else f"debug_{name}"
    if isinstance(options.get("val"), dict):
        options["val"] |= {"val_freq": 8, "unit": "iter"}
    options["logger"] = {**(options.get("logger") or {}), "print_freq": 1}
    options["logger"] |= {"save_checkpoint_freq": 8, "unit": "iter"}
    return options


def _set_backends(settings: RunSettings) -> None:
    if settings.deterministic:
        # torch refuses products of matrices unless cuBLAS has workspaces of fixed sizes.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cuda.matmul.allow_tf32 = settings.tf32
    torch.backends.cudnn.allow_tf32 = settings.tf32
    torch.backends.cudnn.benchmark = settings.cudnn_benchmark and not settings.deterministic
    torch.use_deterministic_algorithms(settings.deterministic)
