"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.core.signature import nearest, signature_faults
from smoothkit.models import groups

_BASICSR_SCHEDULERS = ("MultiStepRestartLR", "CosineAnnealingRestartLR")


def optimizer_faults(section: Any, where: str) -> list[Fault]:
    """What keeps a section from naming an optimiser of ``torch.optim`` with its options."""
    found = _named(section, where, _torch_classes(torch.optim, Optimizer), "optimiser")
    if isinstance(found, list):
        return found
    options = _without(section, "type", groups.KEY)
    faults = signature_faults(found, options, where, given=("params",), extra=(groups.KEY,))
    return faults + groups.group_faults(section.get(groups.KEY), found, f"{where}.{groups.KEY}")


def build_optimizer(
    params: Iterable[Parameter] | Iterable[dict[str, Any]], section: Mapping[str, Any], where: str
) -> Optimizer:
    """An optimiser of ``torch.optim``: ``{'type': NAME, **options}``.

    ``groups`` of the section is not read: ``groups.in_groups`` makes ``params`` of it.

    Raises:
        OptionError: unknown name or option.
    """
    faults = optimizer_faults(section, where)
    if faults:
        raise OptionError(faults)
    options = thaw(section)
    options.pop(groups.KEY, None)
    cls = getattr(torch.optim, options.pop("type"))
    try:
        return cls(params, **options)  # type: ignore[no-any-return]
    except (ValueError, TypeError) as error:
        raise OptionError([Fault(where, f"{cls.__name__} refuses this: {error}")]) from error


def fused_on_gpu(section: Mapping[str, Any], params: Iterable[Parameter]) -> Mapping[str, Any]:
    """The section with ``fused: true`` where torch has that for the optimiser and the weights.

    One kernel steps all weights, and can leave them alone by a flag on the device. What the section
    says of the implementation itself stays.
    """
    cls = getattr(torch.optim, str(section.get("type")), None)
    is_free = not {"fused", "foreach", "capturable", "differentiable"} & set(section)
    can_fuse = cls is not None and "fused" in inspect.signature(cls).parameters
    if is_free and can_fuse and all(p.is_cuda and p.is_floating_point() for p in params):
        return {**section, "fused": True}
    return section


def scheduler_faults(section: Any, where: str) -> list[Fault]:
    """What keeps a section from naming a schedule of torch or BasicSR with its options."""
    found = _named(section, where, _schedulers(section), "learning-rate schedule")
    if isinstance(found, list):
        return found
    options = _without(section, "type", "unit")
    faults = signature_faults(found, options, where, given=("optimizer",), extra=("unit",))
    if section.get("unit", "iter") not in ("iter", "epoch"):
        faults.append(Fault(f"{where}.unit", f"must be iter or epoch, got {section['unit']!r}."))
    return faults


def schedule_faults(
    section: Mapping[str, Any], optimizer: Mapping[str, Any], num_steps: int | None, where: str
) -> list[Fault]:
    """What a schedule refuses, at its start or at the last step of the run.

    Args:
        section: the schedule, right by its signature.
        optimizer: section of the optimiser that it is for, right by its signature.
        num_steps: of the schedule in the whole run; None where that is not known.
        where: dotted path of ``section``.
    """
    if groups.KEY in optimizer:  # how many groups there are, and their rates, the network decides
        return []
    try:
        stepped = build_optimizer([Parameter(torch.zeros(1))], optimizer, where)
        schedule = _built_schedule(stepped, section, where)
    except OptionError as error:
        return error.faults
    periods = section.get("periods")
    if num_steps and isinstance(periods, list) and sum(periods) < num_steps:
        message = f"sum to {sum(periods)}, but the run has {num_steps} steps. Add periods up to it."
        return [Fault(f"{where}.periods", message)]
    if not num_steps:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of steps without the optimiser's
            schedule.last_epoch = num_steps - 1
            schedule.step()
    except Exception as error:  # they give up in every kind of error
        message = f"does not last to the end of the run, {num_steps} steps: {error}"
        return [Fault(where, f"{section['type']} {message}")]
    return []


def _built_schedule(optimizer: Optimizer, section: Mapping[str, Any], where: str) -> Any:
    cls = _schedulers(section)[section["type"]]
    try:
        return cls(optimizer, **thaw(_without(section, "type", "unit")))
    except Exception as error:  # BasicSR's assert, torch's raise every kind of error
        reason = str(error) or type(error).__name__
        raise OptionError([Fault(where, f"{cls.__name__} refuses this: {reason}")]) from error


class Schedule:
    """A learning-rate schedule with warm-up, stepped by iteration or by epoch.

    Iteration ``i`` (from 1) runs at the rate after ``i - 1`` steps of the schedule, or after
    ``(i - 1) // iters_per_epoch`` of them under ``unit: epoch``.

    Args:
        optimizer: whose groups' rates are set.
        section: ``{'type': NAME, 'unit': 'iter'|'epoch', **options}``, or None for a constant rate.
        warmup_iter: iterations over which the rate rises linearly from 0; none if not positive.
        iters_per_epoch: iterations in one pass over the data.
        where: the section's dotted path.

    Raises:
        OptionError: unknown schedule or option.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        section: Mapping[str, Any] | None,
        *,
        warmup_iter: int = -1,
        iters_per_epoch: int = 1,
        where: str = "train.scheduler",
    ) -> None:
        self._optimizer = optimizer
        self._warmup_iter = warmup_iter
        self._every = iters_per_epoch if section and section.get("unit") == "epoch" else 1
        self._scheduler: Any = None
        if section:
            faults = scheduler_faults(section, where)
            if faults:
                raise OptionError(faults)
            self._scheduler = _built_schedule(optimizer, section, where)
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._steps = 0

    def advance(self, iteration: int) -> None:
        """Set the rates of iteration ``iteration``, counted from 1."""
        # The warm-up overwrites rates that some schedules compute the next ones from.
        self._apply(self._rates)
        if self._scheduler is not None:
            with warnings.catch_warnings():
                # Going on under an edited schedule steps it through the iterations that are done.
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler", UserWarning)
                while self._steps < (iteration - 1) // self._every:
                    self._scheduler.step()
                    self._steps += 1
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        if iteration < self._warmup_iter:
            self._apply([rate * iteration / self._warmup_iter for rate in self._rates])

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands."""
        inner = self._scheduler.state_dict() if self._scheduler is not None else {}
        return {"steps": self._steps, "rates": self._rates, "scheduler": inner}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self._steps = state["steps"]
        self._rates = list(state["rates"])
        if self._scheduler is not None:
            self._scheduler.load_state_dict(state["scheduler"])

    def _apply(self, rates: Iterable[float]) -> None:
        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


def _schedulers(section: Any) -> dict[str, Any]:
    module = torch.optim.lr_scheduler
    classes = _torch_classes(module, module.LRScheduler)
    classes.pop("ReduceLROnPlateau", None)  # wants a metric at every step
    name = section.get("type") if isinstance(section, Mapping) else None
    if name in _BASICSR_SCHEDULERS:
        from smoothkit.core.basicsr_compat import basicsr_scheduler

        classes[str(name)] = basicsr_scheduler(str(name))
    return classes


def _torch_classes(module: Any, base: type) -> dict[str, Any]:
    return {
        name: cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, base) and cls is not base and name[0] != "_"
    }


def _named(section: Any, where: str, classes: Mapping[str, Any], what: str) -> Any:
    """The class that a section names, or the list of its faults."""
    if not isinstance(section, Mapping) or "type" not in section:
        return [Fault(where, f"must be a section with 'type', the name of an {what} of torch.")]
    name = section["type"]
    if name not in classes:
        known = [*classes, *(_BASICSR_SCHEDULERS if "schedule" in what else ())]
        message = f"no {what} is called '{name}'. {nearest(name, known)}"
        return [Fault(f"{where}.type", f"{message}Known: {', '.join(sorted(known))}.")]
    return classes[name]


def _without(section: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in names}
