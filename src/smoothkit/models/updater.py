"""An optimiser with what surrounds it: schedule, precision, clipping, accumulation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from smoothkit.core.devices import choose_precision
from smoothkit.core.distributed import average_gradients, broadcast_network
from smoothkit.core.optimizer_state import load_optimizer, options_of
from smoothkit.core.options import thaw
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import TrainSettings
from smoothkit.models.groups import KEY, in_groups
from smoothkit.models.guard import Guard, can_skip, step_unless
from smoothkit.models.optim import Schedule, build_optimizer, fused_on_gpu

log = logging.getLogger(__name__)

Losses = Mapping[str, Tensor]


@dataclass(frozen=True)
class Trainee:
    """The weights of one network and what steps them.

    Args:
        params: those that train.
        optimizer, schedule: theirs.
        options: of the optimiser, before the schedule changes them, and ``schedule``, the section.
        where: dotted path of the optimiser's section.
        is_alone: gradients are still to be averaged over processes; DistributedDataParallel does
            that by itself.
    """

    params: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    options: dict[str, Any]
    where: str
    is_alone: bool

    def load(
        self,
        optimizer: Mapping[str, Any],
        schedule: Mapping[str, Any],
        held: Mapping[str, Any] | None,
    ) -> None:
        """Go on from the parts of a state; ``held`` are the ``options`` that it was saved with.

        Where learning rate or schedule were edited, the rates are those of the new options as if
        they had held from the first iteration on.

        Raises:
            OptionError: the state is another optimiser's.
        """
        fresh = [{k: v for k, v in g.items() if k != "params"} for g in self.optimizer.param_groups]
        is_edited = load_optimizer(self.optimizer, optimizer, self.options, held, self.where)
        if held is not None and held["schedule"] != self.options["schedule"]:
            log.warning("train.scheduler: is not that of the state. The new one counts from here.")
            is_edited = True
        if not is_edited:
            self.schedule.load_state_dict(schedule)
            return
        for group, first in zip(self.optimizer.param_groups, fresh, strict=True):
            group.update(first)  # some schedules also set other options, such as the momentum


class Updater:
    """Steps the weights of a network, and of others whose losses are the same.

    Args:
        net: the network, wrapped for several processes where there are, or bare.
        optimizer: section that names the optimiser.
        settings: ``train``.
        runtime: device, and iterations per epoch for the schedule.
        guard: looks at losses and gradients; shared by those that step together.
        where: dotted path of the optimiser's section.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: Mapping[str, Any],
        settings: TrainSettings,
        runtime: Runtime,
        guard: Guard | None = None,
        *,
        where: str = "train.optim_g",
    ) -> None:
        self.net = net
        self.guard = guard or Guard(runtime.device, is_deferred=False)
        self.dtype = choose_precision(settings.amp, runtime.device)
        self._device = runtime.device
        self._settings, self._runtime = settings, runtime
        self.trainees: list[Trainee] = []
        self._scaler = torch.amp.GradScaler(
            runtime.device.type, enabled=self.dtype == torch.float16
        )
        self.add(net, optimizer, where)

    def add(self, net: nn.Module, optimizer: Mapping[str, Any], where: str) -> None:
        """Train the weights of ``net`` by the same losses; arguments as for the first."""
        params = [p for p in net.parameters() if p.requires_grad]
        groups = optimizer.get(KEY)
        grouped = in_groups(net, groups, f"{where}.{KEY}") if groups else params
        built = build_optimizer(grouped, fused_on_gpu(optimizer, params), where)
        options = {**options_of(built), "schedule": thaw(self._settings.scheduler)}
        is_alone = not isinstance(net, DistributedDataParallel)
        if is_alone:
            broadcast_network(net)
        schedule = Schedule(
            built,
            self._settings.scheduler,
            warmup_iter=self._settings.warmup_iter,
            iters_per_epoch=self._runtime.iters_per_epoch,
        )
        self.trainees.append(Trainee(params, built, schedule, options, where, is_alone))

    def advance(self, current_iter: int) -> None:
        """Set the learning rates of this iteration."""
        for trainee in self.trainees:
            trainee.schedule.advance(current_iter)

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which the network runs forward."""
        is_mixed = self.dtype != torch.float32
        return torch.autocast(self._device.type, dtype=self.dtype, enabled=is_mixed)

    def apply(self, parts: Sequence[Callable[[], Losses]]) -> dict[str, Tensor]:
        """``prepare``, then ``step``."""
        logs = self.prepare(parts)
        self.step()
        return logs

    def prepare(self, parts: Sequence[Callable[[], Losses]]) -> dict[str, Tensor]:
        """The gradients of a step on the mean of the parts' losses.

        Args:
            parts: one function for each accumulated batch, which runs the network and gives its
                losses by name. Their sum is what is minimised.

        Returns:
            Each loss and ``l_total``, averaged over the parts, without gradient.

        Raises:
            NonFiniteError: in every process as soon as one has such a loss or gradient, unless
                the guard defers it.
        """
        for trainee in self.trainees:
            trainee.optimizer.zero_grad(set_to_none=True)
        logs: dict[str, Tensor] = {}
        for index, part in enumerate(parts):
            with self._synchronised(index == len(parts) - 1):
                losses = {f"l_{name}": value for name, value in part().items()}
                losses["l_total"] = torch.stack([v.float() for v in losses.values()]).sum()
                self._scaler.scale(losses["l_total"] / len(parts)).backward()
            for name, value in losses.items():
                share = value.detach().float() / len(parts)
                logs[name] = logs[name] + share if name in logs else share
        norms = [self._gradient_norm(trainee) for trainee in self.trainees]
        known = [norm for norm in norms if norm is not None]
        self.guard.look({**logs, "gradient": torch.stack(known).sum()} if known else logs)
        return logs

    def step(self) -> None:
        """Change the weights by what ``prepare`` left."""
        for trainee in self.trainees:
            if self.guard.skip is None:
                self._scaler.step(trainee.optimizer)
            else:
                step_unless(trainee.optimizer, self.guard.skip)
        self._scaler.update()

    def can_skip(self) -> bool:
        """Whether a flag on the device can keep ``step`` from changing anything."""
        # The scaler of fp16 hands the optimisers a flag of its own.
        return not self._scaler.is_enabled() and all(can_skip(t.optimizer) for t in self.trainees)

    def rates(self) -> list[float]:
        """The learning rate of each parameter group."""
        return [group["lr"] for t in self.trainees for group in t.optimizer.param_groups]

    def extra_state(self) -> dict[str, Any]:
        """What is neither the optimiser's nor the schedule's."""
        return {"scaler": self._scaler.state_dict()}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from ``extra_state``."""
        if state.get("scaler"):
            self._scaler.load_state_dict(state["scaler"])

    def _synchronised(self, is_last: bool) -> AbstractContextManager[Any]:
        # Gradients travel between processes once a step, with the last part.
        no_sync = getattr(self.net, "no_sync", None)
        return nullcontext() if is_last or no_sync is None else no_sync()

    def _gradient_norm(self, trainee: Trainee) -> Tensor | None:
        """The norm of the gradient, after which it is clipped where asked for.

        None in fp16, where the scaler steps over gradients that are not finite.
        """
        if trainee.is_alone:
            average_gradients(trainee.params)
        is_scaled, clip = self._scaler.is_enabled(), self._settings.grad_clip
        if is_scaled and clip is None:
            return None
        self._scaler.unscale_(trainee.optimizer)
        largest = float("inf") if clip is None else clip
        norm = torch.nn.utils.clip_grad_norm_(trainee.params, largest)
        return None if is_scaled else norm
