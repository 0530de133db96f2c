"""The model that all systems train with: BasicSR's model protocol over composed parts."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from smoothkit.core import distributed
from smoothkit.core.checkpoints import Snapshot, save_networks, save_state
from smoothkit.core.registry import MODEL_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import LoggerSettings, TrainSettings
from smoothkit.core.weights import State, cpu_state, load_into, network_state
from smoothkit.models.ema import Ema
from smoothkit.models.networks import build_logged, freeze_norm, load_pretrained, meta_of, wrap
from smoothkit.models.predictor import Predictor, named_outputs
from smoothkit.models.step import Step, Term, build_terms
from smoothkit.models.updater import Updater
from smoothkit.ops.precision import at_least_float32

log = logging.getLogger(__name__)


@MODEL_REGISTRY.register()
class RestorationModel:
    """Trains and runs one network that maps an image ``lq`` to an image ``pred``.

    Args:
        opt: the whole option file.
        runtime: where this process runs; by default found from ``opt``.
        predictor: options of ``smoothkit.models.predictor.Predictor``.
    """

    label = "net_g"

    def __init__(
        self,
        opt: Mapping[str, Any],
        runtime: Runtime | None = None,
        *,
        predictor: dict[str, Any] | None = None,
    ) -> None:
        self.opt = opt
        self.runtime = runtime or Runtime.of(opt)
        self.device = self.runtime.device
        self.predictor = Predictor(**(predictor or {}))
        self.net = build_logged(opt["network_g"], "network_g").to(self.device)
        load_pretrained(self.net, opt, self.label)
        self.ema: Ema | None = None
        self._batches: list[dict[str, Any]] = []
        self._logs: dict[str, Tensor] = {}
        if self.runtime.is_train:
            self._prepare_training()

    def _prepare_training(self) -> None:
        self.settings = TrainSettings.read(self.opt["train"])
        if self.settings.ema_decay > 0:
            self.ema = Ema(self.net, self.settings.ema_decay)
            load_pretrained(self.ema.net, self.opt, self.label, key="params_ema")
        self._running = wrap(self.net, self.settings, self.runtime)
        self.terms: dict[str, Term] = build_terms(self.opt["train"])
        for term in self.terms.values():
            getattr(term.loss, "to", lambda device: None)(self.device)
        self.updater = Updater(
            self._running, self.opt["train"]["optim_g"], self.settings, self.runtime
        )

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch; several before ``optimize_parameters`` are accumulated."""
        layout = torch.channels_last if self._is_channels_last() else torch.preserve_format
        batch = {
            name: value.to(self.device, non_blocking=True, memory_format=layout)
            if isinstance(value, Tensor) and value.ndim == 4
            else value.to(self.device, non_blocking=True)
            if isinstance(value, Tensor)
            else value
            for name, value in data.items()
        }
        self._batches.append(batch)

    def optimize_parameters(self, current_iter: int) -> None:
        """One step of the optimiser on the batches fed since the last one.

        Raises:
            NonFiniteError: a loss is NaN or infinite; no weight was changed.
        """
        self._running.train()
        after = self.settings.freeze_norm_iter
        if after is not None and current_iter > after:
            freeze_norm(self.net)
        steps = [Step(batch, targets=self.pick_targets(batch)) for batch in self._batches]
        counts = self._global_counts(steps)
        parts = [partial(self._losses, step, counts, len(steps)) for step in steps]
        self._logs = self.updater.apply(parts)
        self._batches = []
        if self.ema is not None:
            self.ema.update(self.net)

    def pick_targets(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """What the terms of this batch compare with, drawn once."""
        return {"gt": batch["gt"]}

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """Set the rates of this iteration; the schedule knows its own warm-up."""
        self.updater.schedule.advance(current_iter)

    def get_current_learning_rate(self) -> list[float]:
        """The rate of each parameter group."""
        return self.updater.rates()

    def get_current_log(self) -> OrderedDict[str, float]:
        """The losses of the last step, averaged over the processes (call it in all of them)."""
        if not self._logs:
            return OrderedDict()
        values = distributed.sum_over_ranks(torch.stack(list(self._logs.values())))
        values = values / self.runtime.world_size
        return OrderedDict(zip(self._logs, values.tolist(), strict=True))

    def test(self) -> None:
        """Run the network (its running average where there is one) on the batch fed last."""
        net = self.ema.net if self.ema is not None else self.net
        was_training = net.training
        net.eval()
        self._batches = self._batches[-1:]
        self.output = self.predictor(net, self._batches[0]["lq"])
        net.train(was_training)

    def get_current_visuals(self) -> OrderedDict[str, Tensor]:
        """``lq``, ``result`` and, where there is one, ``gt`` of the last ``test``, on the CPU."""
        batch = self._batches.pop()
        visuals = OrderedDict(lq=batch["lq"], result=self.output)
        if "gt" in batch:
            visuals["gt"] = batch["gt"]
        return OrderedDict((name, value.detach().cpu()) for name, value in visuals.items())

    def synchronise(self) -> None:
        """Give every process the buffers of the first; BatchNorm counts each one's own batches."""
        for net in (self.net, *([self.ema.net] if self.ema is not None else ())):
            for buffer in net.buffers():
                distributed.broadcast(buffer)

    def snapshot(self) -> Snapshot:
        """Everything that a checkpoint needs of the model."""
        networks: dict[str, Any] = {"params": cpu_state(self.net)}
        if self.ema is not None:
            networks["params_ema"] = cpu_state(self.ema.net)
        networks["meta"] = meta_of(self.opt)
        training = {
            "optimizers": [self.updater.optimizer.state_dict()],
            "schedulers": [self.updater.schedule.state_dict()],
            "updaters": [self.updater.extra_state()],
        }
        return Snapshot({self.label: networks}, training)

    def restore(self, networks: Mapping[str, Any], training: Mapping[str, Any]) -> None:
        """Go on from the contents of a checkpoint.

        Raises:
            DataError: weights of another network.
        """
        content = networks[self.label]
        self._load(self.net, content, "params")
        if self.ema is not None:
            self._load(self.ema.net, content, "params_ema")
        self.resume_training(training)

    def resume_training(self, resume_state: Mapping[str, Any]) -> None:
        """Go on from the optimisers and schedules of a state, as the protocol has it."""
        self.updater.optimizer.load_state_dict(resume_state["optimizers"][0])
        self.updater.schedule.load_state_dict(resume_state["schedulers"][0])
        for state in resume_state.get("updaters", ()):
            self.updater.load_extra_state(state)

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the networks and the state of the model, as the protocol has it."""
        folders = self.runtime.folders
        if folders is None:
            raise ValueError("save: this model was built without folders to write to")
        snapshot = self.snapshot()
        settings = LoggerSettings.read(self.opt.get("logger"))
        tag = "latest" if current_iter == -1 else current_iter
        save_networks(folders, snapshot, tag, safetensors=settings.save_safetensors)
        if current_iter != -1:
            state = {"epoch": epoch, "iter": current_iter, **snapshot.training}
            save_state(folders, current_iter, state)

    def _losses(self, step: Step, counts: Mapping[str, Tensor], parts: int) -> dict[str, Tensor]:
        with self.updater.autocast():
            raw = self._running(step.batch["lq"])
        # Losses in float32 or more: sums of squares leave the range of half precision.
        outputs = {k: at_least_float32(v) for k, v in named_outputs(self.net, raw).items()}
        step = Step(step.batch, outputs, step.targets)
        # The updater averages over parts and processes; a sum over all samples has to undo that.
        share = parts * self.runtime.world_size if self._is_global() else 1
        return {
            name: term(step, counts.get(name)) * (share if term.is_additive else 1)
            for name, term in self.terms.items()
        }

    def _global_counts(self, steps: list[Step]) -> dict[str, Tensor]:
        if not self._is_global():
            return {}
        counts = {}
        for name, term in self.terms.items():
            own = [count for step in steps if (count := term.counts(step)) is not None]
            if own:
                counts[name] = distributed.sum_over_ranks(torch.stack(own).sum(0))
        return counts

    def _is_global(self) -> bool:
        return self.settings.loss_reduction == "global"

    def _is_channels_last(self) -> bool:
        return self.runtime.is_train and self.settings.channels_last

    def _load(self, net: torch.nn.Module, content: Any, key: str) -> None:
        state: State = network_state(content, self.label, key)
        load_into(net, state, f"checkpoint {self.label}")
