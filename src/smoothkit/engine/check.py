"""A whole option file against the signatures of what it names, before anything is built."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from smoothkit.core.devices import device_faults
from smoothkit.core.errors import DataError, Fault
from smoothkit.core.options import OptionFile
from smoothkit.core.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
)
from smoothkit.core.settings import (
    LOADER_KEYS,
    DistSettings,
    LoaderSettings,
    LoggerSettings,
    PathSettings,
    RunSettings,
    Section,
    TrainSettings,
    ValSettings,
)
from smoothkit.core.signature import (
    parameters,
    signature_faults,
    takes_single_opt,
    unread_keys,
    value_faults,
)
from smoothkit.engine.check_step import companion_faults, idle_optimizer_faults, step_faults
from smoothkit.metrics import image_parameters
from smoothkit.models.critic import is_adversarial
from smoothkit.models.optim import optimizer_faults, schedule_faults, scheduler_faults
from smoothkit.models.step import TERM_KEYS, loss_sections

_NETWORK = re.compile(r"network_\w+")
_NETWORK_PATHS = re.compile(r"(pretrain_network|strict_load|param_key)_\w+|ignore_resume_networks")
_LEAST = {
    "total_iter": 1,
    "total_epochs": 1,
    "accumulate": 1,
    "ema_decay": 0,
    "freeze_norm_iter": 0,
    "batch_size_per_gpu": 1,
    "num_worker_per_gpu": 0,
    "dataset_enlarge_ratio": 1,
    "prefetch_factor": 1,
    "print_freq": 1,
    "save_checkpoint_freq": 1,
    "keep_checkpoints": 1,
    "val_freq": 1,
    "net_d_iters": 1,
    "net_d_init_iters": 0,
    "scale": 1,
}
_OPTIMIZER = re.compile(r"optim_\w+")


@dataclass
class Report:
    """What a check found.

    Args:
        faults: what must be put right.
        unread: dotted paths of keys that nothing reads, in files made for BasicSR.
    """

    faults: list[Fault] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def check(
    file: OptionFile,
    *,
    is_train: bool | None = None,
    known: Sequence[Fault] = (),
    is_launched: bool = False,
) -> Report:
    """All faults of an option file.

    Args:
        file: as read.
        is_train: needs a ``train`` section; by default where the file has one.
        known: what is wrong with its checkpoints, from which it may take networks.
        is_launched: for one of several processes.
    """
    options = file.data
    report = Report([*file.faults, *known])
    if is_train is None:
        is_train = "train" in options
    model = _check_top(options, report, is_launched=is_launched)
    is_foreign = model is not None and takes_single_opt(model)
    has_hope = any(fault.where == "path.pretrain_network_g" for fault in known)
    _check_networks(options, report, needed=not is_foreign and not has_hope)
    _check_datasets(options, report, is_train=is_train)
    if is_train:
        _check_train(options.get("train"), report, model if is_foreign else None)
        report.faults += _missing_packages(options.get("logger"))
        # Models of BasicSR that crop what the data set gives read it at the top.
        report.faults += _crop_faults(options, 1, "gt_size") if is_foreign else []
    if is_train and not is_foreign:
        _check_critic(options, report)
        report.faults += step_faults(options, model, report.faults)
    _check_val(options.get("val"), report, model if is_foreign else None)
    for key in ("logger", "val"):
        if isinstance(options.get(key), Mapping):
            report.faults += _too_small(options[key], key)
    for key, section in (("logger", LoggerSettings), ("dist_params", DistSettings)):
        _check_section(options.get(key), section, key, report, is_foreign=is_foreign)
    _check_section(
        options.get("path"), PathSettings, "path", report, is_foreign=is_foreign,
        allowed=_NETWORK_PATHS,
    )  # fmt: skip
    return report


def _check_top(options: Mapping[str, Any], report: Report, *, is_launched: bool) -> type | None:
    report.faults += _too_small({k: v for k, v in options.items() if k == "scale"}, "")
    name = options.get("model_type", RunSettings.model_type)
    model: type | None = None
    try:
        model = MODEL_REGISTRY.get(name)
    except KeyError as error:
        report.faults.append(Fault("model_type", error.args[0]))
    sections = (
        [] if model is None else [k for k in parameters(model) if k not in ("opt", "runtime")]
    )
    known = {f.name for f in fields(RunSettings)} | set(sections)
    keys = {k: v for k, v in options.items() if k in known or not _NETWORK.fullmatch(str(k))}
    if model is not None and takes_single_opt(model):
        own = {k: v for k, v in keys.items() if k in known}
        report.unread += unread_keys(model, (k for k in keys if k not in known))
        keys = own
    else:
        report.faults += _model_faults(model, keys)
    report.faults += signature_faults(
        RunSettings, keys, "", owner="the option file", extra=sections
    )
    num_gpu = options.get("num_gpu", "auto")
    if not value_faults(num_gpu, int | Literal["auto"], ""):
        report.faults += device_faults(num_gpu, is_launched=is_launched)
    run_name = options.get("name")
    if isinstance(run_name, str) and (not run_name.strip() or re.search(r"[/\\]|^\.+$", run_name)):
        message = f"must be the name of one folder, got {run_name!r}. Use path.experiments_root."
        report.faults.append(Fault("name", message))
    return model


def _model_faults(model: type | None, keys: Mapping[str, Any]) -> list[Fault]:
    if model is None:
        return []
    sections = {k: keys[k] for k in parameters(model) if k in keys}
    given = ("opt", "runtime")
    faults = signature_faults(model, sections, "", owner=model.__name__, given=given)
    # A part's own section has the part's parameters as its keys.
    for name, part in getattr(model, "parts", {}).items():
        if isinstance(sections.get(name), Mapping):
            own = signature_faults(part, sections[name], name, owner=name, given=part.given)
            # Keys and kinds first: what a part says of them all together relies on each.
            faults += own or getattr(part, "faults", lambda options: [])(keys)
    return faults


def _check_networks(options: Mapping[str, Any], report: Report, *, needed: bool) -> None:
    names = [key for key in options if _NETWORK.fullmatch(str(key))]
    if needed and "network_g" not in names:
        message = "the option file needs 'network_g', the network to train or test."
        report.faults.append(Fault("", message))
    for name in names:
        report.faults += ARCH_REGISTRY.faults(options[name], name)


def _check_datasets(options: Mapping[str, Any], report: Report, *, is_train: bool) -> None:
    datasets = options.get("datasets")
    if not isinstance(datasets, Mapping) or not datasets:
        message = "the option file needs 'datasets', with the data to train or test on."
        report.faults += [] if datasets is not None and datasets != {} else [Fault("", message)]
        return
    if is_train and "train" not in datasets:
        report.faults.append(Fault("datasets", "needs 'train', the data to train on."))
    for phase, section in datasets.items():
        where = f"datasets.{phase}"
        report.faults += DATASET_REGISTRY.faults(section, where, extra=LOADER_KEYS)
        if not isinstance(section, Mapping):
            continue
        report.faults += _too_small(section, where)
        if phase == "train":
            report.faults += _crop_faults(section, options.get("scale", 1), f"{where}.gt_size")
        loader = {k: v for k, v in section.items() if k in LOADER_KEYS and k != "phase"}
        report.faults += signature_faults(LoaderSettings, loader, where)
        cls = _found(DATASET_REGISTRY, section.get("type"))
        if cls is not None and takes_single_opt(cls):
            others = (k for k in section if k not in LOADER_KEYS | {"type", "scale"})
            report.unread += [f"{where}.{key}" for key in unread_keys(cls, others)]


def _crop_faults(section: Mapping[str, Any], scale: Any, where: str) -> list[Fault]:
    """Of crops of which the low-quality side would be no whole number of pixels."""
    size, scale = section.get("gt_size"), section.get("scale", scale)
    if not isinstance(size, int) or not isinstance(scale, int) or scale < 1 or size % scale == 0:
        return []
    valid = " or ".join(str(n) for n in (size // scale * scale, -(-size // scale) * scale) if n)
    message = f"must be a multiple of the scale ({scale}), got {size}. Take {valid}."
    return [Fault(where, message)]


def _check_train(train: Any, report: Report, foreign: type | None) -> None:
    if not isinstance(train, Mapping):
        report.faults.append(Fault("train", "is missing: the section with optimiser and losses."))
        return
    losses = loss_sections(train)
    for name, section in losses.items():
        report.faults += LOSS_REGISTRY.faults(section, f"train.{name}_opt", extra=TERM_KEYS)
    optimizers = [key for key in train if _OPTIMIZER.fullmatch(str(key))]
    for key in optimizers:
        report.faults += optimizer_faults(train[key], f"train.{key}")
    if foreign is None and "optim_g" not in optimizers:
        report.faults.append(Fault("train", "needs 'optim_g', the optimiser."))
    if foreign is None and not losses:
        report.faults.append(Fault("train", "has no loss: add '<name>_opt: {type: L1Loss}'."))
    if train.get("scheduler") is not None:
        report.faults += _scheduler_faults(train, foreign)
    rest = {k: v for k, v in train.items() if k not in optimizers}
    rest = {k: v for k, v in rest.items() if k not in {f"{name}_opt" for name in losses}}
    rest = {k: v for k, v in rest.items() if not (str(k).endswith("_opt") and v is None)}
    report.faults += _too_small(rest, "train")
    _check_section(rest, TrainSettings, "train", report, is_foreign=foreign is not None,
                   model=foreign)  # fmt: skip
    if (train.get("total_iter") is None) == (train.get("total_epochs") is None):
        unread = ", ".join(key for key in report.unread if key.startswith("train."))
        hint = f" Read by nothing: {unread}." if unread else ""
        report.faults.append(Fault("train", f"needs one of 'total_iter' and 'total_epochs'.{hint}"))
    if foreign is not None:
        _refuse_ours(train, foreign, report)
    report.faults += companion_faults(train)
    if foreign is None:
        report.faults += idle_optimizer_faults(train, optimizers)


def _check_critic(options: Mapping[str, Any], report: Report) -> None:
    """A discriminator, its loss and its optimiser come together."""
    train = options.get("train")
    if not isinstance(train, Mapping):
        return
    known = {k: s for k, s in loss_sections(train).items() if _found(LOSS_REGISTRY, s["type"])}
    losses = [f"{name}_opt" for name, section in known.items() if is_adversarial(section)]
    if losses and "network_d" not in options:
        message = f"is missing: train.{losses[0]} needs a discriminator to judge the results."
        report.faults.append(Fault("network_d", message))
    if "network_d" not in options:
        return
    if len(losses) != 1:
        message = (
            f"needs one adversarial loss, 'gan_opt: {{type: GANLoss}}', got {losses or 'none'}."
        )
        report.faults.append(Fault("network_d", message))
    if "optim_d" not in train:
        report.faults.append(Fault("train", "needs 'optim_d', the optimiser of network_d."))


def _scheduler_faults(train: Mapping[str, Any], foreign: type | None) -> list[Fault]:
    section, where = train["scheduler"], "train.scheduler"
    # BasicSR reads its restart schedule under the name of torch's.
    if (
        foreign is not None
        and isinstance(section, Mapping)
        and section.get("type") == "MultiStepLR"
    ):
        section = {**section, "type": "MultiStepRestartLR"}
    faults = scheduler_faults(section, where)
    optimizer = train.get("optim_g") or {}
    if faults or optimizer_faults(optimizer, "train.optim_g"):
        return faults
    return schedule_faults(section, optimizer, _known_steps(train), where)


def _known_steps(train: Mapping[str, Any]) -> int | None:
    """Steps of the schedule in the whole run, where the data do not decide that."""
    unit = "epoch" if train["scheduler"].get("unit") == "epoch" else "iter"
    total = train.get("total_epochs" if unit == "epoch" else "total_iter")
    return int(total) - 1 if isinstance(total, int | float) else None


def _too_small(section: Mapping[str, Any], where: str) -> list[Fault]:
    """Numbers of the right kind that no run can use."""
    return [
        Fault(f"{where}.{key}".lstrip("."), f"must be {least} or more, got {section[key]}.")
        for key, least in _LEAST.items()
        if isinstance(section.get(key), int | float) and section[key] < least
    ]


def _missing_packages(logger: Any) -> list[Fault]:
    """Packages that would be missed in the middle of a run."""
    options = logger if isinstance(logger, Mapping) else {}
    needed = {
        "save_safetensors": "safetensors",
        "use_tb_logger": "tensorboard",
        "wandb": "wandb",
    }
    wanted = [key for key in needed if options.get(key)]
    if isinstance(options.get("wandb"), Mapping) and not options["wandb"].get("project"):
        wanted.remove("wandb")
    return [
        Fault(f"logger.{key}", f"needs the package {name}: pip install {name}, or remove the key.")
        for key, name in needed.items()
        if key in wanted and not _is_installed(name)
    ]


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _refuse_ours(train: Mapping[str, Any], foreign: type, report: Report) -> None:
    """Options of our step that a model of BasicSR's, with a step of its own, would not obey."""
    scheduler = train.get("scheduler")
    if isinstance(scheduler, Mapping) and "unit" in scheduler:
        message = f"{foreign.__name__} of BasicSR counts iterations only. Remove it."
        report.faults.append(Fault("train.scheduler.unit", message))
    defaults = TrainSettings()
    for key in (
        "amp",
        "channels_last",
        "compile",
        "accumulate",
        "grad_clip",
        "freeze_norm_iter",
        "loss_reduction",
    ):
        value = train.get(key, getattr(defaults, key))
        if value is not False and value != getattr(defaults, key):
            message = f"{foreign.__name__} of BasicSR has a training step of its own without it. "
            report.faults.append(
                Fault(f"train.{key}", f"{message}Use model_type: RestorationModel, or remove it.")
            )


def _check_val(val: Any, report: Report, foreign: type | None) -> None:
    _check_section(val, ValSettings, "val", report, is_foreign=foreign is not None, model=foreign)
    metrics = val.get("metrics") if isinstance(val, Mapping) else None
    for name, section in (metrics if isinstance(metrics, Mapping) else {}).items():
        where = f"val.metrics.{name}"
        metric = _found(
            METRIC_REGISTRY, section.get("type") if isinstance(section, Mapping) else ""
        )
        images = image_parameters(metric) if metric is not None else []
        faults = METRIC_REGISTRY.faults(section, where, given=images, extra=("better",))
        report.faults += faults or _missing_files(metric, section, where)
    if isinstance(val, Mapping) and not value_faults(val.get("save_best"), str | list[str], ""):
        given = val["save_best"] if isinstance(val["save_best"], list) else [val["save_best"]]
        if unknown := [name for name in given if name not in (metrics or {})]:
            known = ", ".join(map(str, metrics or {})) or "none"
            message = f"must name metrics of val.metrics ({known}), got '{unknown[0]}'."
            report.faults.append(Fault("val.save_best", message))


def _missing_files(metric: Any, section: Mapping[str, Any], where: str) -> list[Fault]:
    """A fault where the metric would fail in the middle of a run, for want of its weights."""
    needs = getattr(metric, "needs", None)
    try:
        if needs is not None:
            needs(**{k: v for k, v in section.items() if k not in ("type", "better")})
    except DataError as error:
        return [Fault.of(where, error)]
    return []


def _check_section(
    options: Any,
    section: type[Section],
    where: str,
    report: Report,
    *,
    is_foreign: bool,
    model: type | None = None,
    allowed: re.Pattern[str] | None = None,
) -> None:
    """A section that the engine reads; what it does not know is unread in a file for BasicSR."""
    if options is None:
        return
    if not isinstance(options, Mapping):
        report.faults.append(Fault(where, f"must be a section of keys, got {options!r}."))
        return
    known = {f.name for f in fields(section)}
    if allowed is not None:
        options = {k: v for k, v in options.items() if not allowed.fullmatch(str(k))}
    if is_foreign:
        unknown: Iterable[str] = [key for key in options if key not in known]
        unread = unread_keys(model, unknown) if model is not None else unknown
        report.unread += [f"{where}.{key}" for key in unread]
        options = {k: v for k, v in options.items() if k in known}
    report.faults += signature_faults(section, options, where, owner=where)


def _found(registry: Any, name: Any) -> Any:
    try:
        return registry.get(name)
    except KeyError:
        return None
