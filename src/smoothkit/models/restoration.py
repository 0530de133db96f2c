"""The model that all systems train with: BasicSR's model protocol over composed parts."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from smoothkit.core import distributed
from smoothkit.core.checkpoints import Snapshot, save_networks, save_state
from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.registry import MODEL_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import LoggerSettings, TrainSettings
from smoothkit.core.signature import signature_faults
from smoothkit.core.weights import State, cpu_state, load_into, network_state
from smoothkit.models.critic import Critic, adversarial_sections
from smoothkit.models.degrade import Degradation, sharpened
from smoothkit.models.ema import Ema
from smoothkit.models.guard import Guard
from smoothkit.models.networks import build_logged, freeze_norm, load_pretrained, meta_of, wrap
from smoothkit.models.predictor import Predictor, named_outputs
from smoothkit.models.step import Step, Term, build_terms, refusals
from smoothkit.models.updater import Updater
from smoothkit.ops.precision import at_least_float32

log = logging.getLogger(__name__)


@MODEL_REGISTRY.register()
class RestorationModel:
    """Trains and runs one network that maps an image ``lq`` to an image ``pred``.

    With ``network_d`` it trains against a discriminator. Losses may bring networks of their own,
    which train along.

    Args:
        opt: the whole option file.
        runtime: where this process runs; by default found from ``opt``.
        predictor: options of ``smoothkit.models.predictor.Predictor``.
        degradation: options of ``smoothkit.models.degrade.Degradation``: makes ``lq`` of the ground
            truths while training.
    """

    label = "net_g"
    # What losses can read beside what the network and the training set give.
    gives: ClassVar[tuple[str, ...]] = ("sharp", "pred_ema")
    parts: ClassVar[dict[str, type]] = {"predictor": Predictor, "degradation": Degradation}

    def __init__(
        self,
        opt: Mapping[str, Any],
        runtime: Runtime | None = None,
        *,
        predictor: dict[str, Any] | None = None,
        degradation: dict[str, Any] | None = None,
    ) -> None:
        self.opt = opt
        self.runtime = runtime or Runtime.of(opt)
        self.device = self.runtime.device
        self.predictor = self.parts["predictor"](**(predictor or {}))
        self.net = build_logged(opt["network_g"], "network_g").to(self.device)
        self._load_start()
        self.ema: Ema | None = None
        self.critic: Critic | None = None
        self.companions: dict[str, nn.Module] = {}
        self.degradation: Degradation | None = None
        self._batches: list[dict[str, Any]] = []
        self._logs: dict[str, Tensor] = {}
        if self.runtime.is_train:
            self._prepare_training()
            if degradation is not None:
                self.degradation = self._build_degradation(degradation)

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[Fault]:
        """What of a whole option file does not suit this model, where each section by itself does.

        It is asked for before a training, and before anything is built.
        """
        return []

    def _load_start(self) -> None:
        """What the weights are before training or a checkpoint."""
        load_pretrained(self.net, self.opt, self.label)

    def _build_degradation(self, section: dict[str, Any]) -> Degradation:
        given = Degradation.given
        faults = signature_faults(Degradation, section, "degradation", owner="it", given=given)
        if faults:
            raise OptionError(faults)
        # Without one in the file, the seed that was drawn for the run.
        given_seed = self.opt.get("manual_seed")
        seed = [torch.initial_seed() if given_seed is None else given_seed, self.runtime.rank]
        return Degradation(self.opt.get("scale", 1), **section, seed=seed)

    def _prepare_training(self) -> None:
        self.settings = TrainSettings.read(self.opt["train"])
        distributed.broadcast_network(self.net)  # before its average is made of it
        if self.settings.ema_decay > 0:
            self.ema = Ema(self.net, self.settings.ema_decay)
            load_pretrained(self.ema.net, self.opt, self.label, key="params_ema")
        self._running = wrap(self.net, self.settings, self.runtime)
        train = self.opt["train"]
        adversarial = adversarial_sections(train)
        self.terms: dict[str, Term] = build_terms(train, leave_out=adversarial)
        for term in self.terms.values():
            getattr(term.loss, "to", lambda device: None)(self.device)
        self.guard = Guard(self.device, is_deferred=False)
        self.updater = Updater(
            self._running, train["optim_g"], self.settings, self.runtime, self.guard
        )
        if "network_d" in self.opt or adversarial:
            self.critic = self._build_critic(next(iter(adversarial), None))
        self._add_companions()
        self.guard.is_deferred = self.device.type == "cuda" and all(
            updater.can_skip() for updater in self._updaters()
        )
        self._refuse_average_without_ema()

    def _build_critic(self, loss: str | None) -> Critic:
        if "network_d" not in self.opt:
            message = f"is missing: train.{loss}_opt needs a discriminator to judge the results."
            raise OptionError([Fault("network_d", message)])
        net = build_logged(self.opt["network_d"], "network_d").to(self.device)
        load_pretrained(net, self.opt, "net_d")
        return Critic(net, self.opt["train"], self.settings, self.runtime, self.guard)

    def _add_companions(self) -> None:
        """Networks that losses bring, each with the optimiser ``train.optim_<x>``."""
        for name, term in self.terms.items():
            for letter, net in getattr(term.loss, "networks", {}).items():
                section = self.opt["train"].get(f"optim_{letter}")
                if section is None:
                    message = f"needs 'optim_{letter}', the optimiser of train.{name}_opt.network."
                    raise OptionError([Fault("train", message)])
                load_pretrained(net, self.opt, f"net_{letter}")
                self.updater.add(net, section, f"train.optim_{letter}")
                self.companions[f"net_{letter}"] = net

    def _reads(self, name: str) -> bool:
        """Whether a loss asks for the value ``name``."""
        inputs = {value for term in self.terms.values() for value in term.inputs}
        return name in inputs or (self.critic is not None and name in self.critic.reads)

    def _refuse_average_without_ema(self) -> None:
        if self._reads("pred_ema") and self.ema is None:
            message = "must be above 0: a loss reads what the averaged network gives (pred_ema)."
            raise OptionError([Fault("train.ema_decay", message)])

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
            NonFiniteError: a loss or a gradient is NaN or infinite, the discriminator's too; no
                weight of any network was changed. On a GPU that of a step is raised by the next
                one, or by ``settle``.
        """
        self._running.train()
        after = self.settings.freeze_norm_iter
        if after is not None and current_iter > after:
            freeze_norm(self.net)
        batches = [self._training_pairs(batch) for batch in self._batches]
        steps = [Step(batch, targets=self.pick_targets(batch)) for batch in batches]
        self._batches = []
        is_ahead = self._is_critic_ahead(current_iter)
        self._logs, judged = self._prepare_step(steps, is_ahead=is_ahead)
        if self.critic is not None:
            self._logs |= self.critic.prepare(judged)
        self.guard.open()
        for updater in self._updaters():
            if not is_ahead or updater is not self.updater:
                updater.step()
        if self.ema is not None:
            self.ema.update(self.net, self.guard.skip)

    def settle(self) -> None:
        """Wait for the verdict on the last step, before anything is made of the weights.

        Raises:
            NonFiniteError: it had a loss or gradient that is not finite.
        """
        self.guard.settle()

    def _training_pairs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with ``lq``, made where the data set gives none."""
        if self.degradation is not None:
            batch = self.degradation(batch)
        if "lq" not in batch:
            message = "is missing: the training set gives no 'lq', and nothing says how to make it."
            raise OptionError([Fault("degradation", message)])
        return batch

    def _is_critic_ahead(self, current_iter: int) -> bool:
        """Whether the discriminator alone makes a step."""
        every, first = self.settings.net_d_iters, self.settings.net_d_init_iters
        return self.critic is not None and (current_iter % every > 0 or current_iter <= first)

    def _prepare_step(
        self, steps: list[Step], *, is_ahead: bool
    ) -> tuple[dict[str, Tensor], list[Step]]:
        """The network's losses, with its gradients unless the discriminator is ahead; results."""
        if is_ahead:
            with torch.no_grad():
                return {}, [self._run(step) for step in steps]
        counts = self._global_counts(steps)
        judged: list[Step] = []
        parts = [partial(self._losses, step, counts, len(steps), judged) for step in steps]
        with self.critic.frozen() if self.critic is not None else nullcontext():
            return self.updater.prepare(parts), judged

    def pick_targets(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """What the terms of this batch compare with: ``gt``, and where asked for it ``sharp``."""
        targets = {"gt": batch["gt"]}
        if self._reads("sharp"):
            targets["sharp"] = sharpened(batch["gt"])
        return targets

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """Set the rates of this iteration; the schedule knows its own warm-up."""
        for updater in self._updaters():
            updater.advance(current_iter)

    def get_current_learning_rate(self) -> list[float]:
        """The rate of each parameter group."""
        return [rate for updater in self._updaters() for rate in updater.rates()]

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
        self._batches = self._batches[-1:]
        if "lq" not in self._batches[0]:
            raise DataError(
                "this data set gives no 'lq', the image to restore. Validate and test on pairs, "
                "such as those of PairedImageDataset."
            )
        net.eval()
        try:
            self.output = self.predictor(net, self._batches[0]["lq"])
        finally:
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
        trainees = [trainee for updater in self._updaters() for trainee in updater.trainees]
        training: dict[str, Any] = {
            "optimizers": [trainee.optimizer.state_dict() for trainee in trainees],
            "schedulers": [trainee.schedule.state_dict() for trainee in trainees],
            "options": [trainee.options for trainee in trainees],
            "updaters": [updater.extra_state() for updater in self._updaters()],
        }
        others = {label: {"params": cpu_state(net)} for label, net in self._others().items()}
        return Snapshot({self.label: networks, **others}, training)

    def restore(self, networks: Mapping[str, Any], training: Mapping[str, Any]) -> None:
        """Go on from the contents of a checkpoint.

        Raises:
            DataError: weights of another network, or of other networks than train here.
        """
        own = {self.label, *self._others()}
        if other := sorted(own ^ set(networks)):
            has = "has no" if other[0] in own else "also has"
            raise DataError(
                f"the checkpoint {has} {other[0]}: what trains along is not what it was. Go on "
                "with the options of the run, or start from its weights by path.pretrain_network_g."
            )
        content = networks[self.label]
        self._load(self.net, content, "params")
        if self.ema is not None:
            self._load(self.ema.net, content, "params_ema")
        for label, net in self._others().items():
            load_into(net, network_state(networks[label], label, "params"), f"checkpoint {label}")
        self.resume_training(training)

    def resume_training(self, resume_state: Mapping[str, Any]) -> None:
        """Go on from the optimisers and schedules of a state, as the protocol has it."""
        trainees = [trainee for updater in self._updaters() for trainee in updater.trainees]
        held = resume_state.get("options") or [None] * len(trainees)
        for number, trainee in enumerate(trainees):
            trainee.load(
                resume_state["optimizers"][number], resume_state["schedulers"][number], held[number]
            )
        for updater, state in zip(self._updaters(), resume_state.get("updaters", ()), strict=False):
            updater.load_extra_state(state)
        self._restore_rank(resume_state.get("rank_states", ()))

    def rank_state(self) -> dict[str, Any]:
        """What each process has of its own: the draws and the pool of its degradation."""
        return {"degradation": self.degradation.state_dict()} if self.degradation else {}

    def _restore_rank(self, states: Sequence[Mapping[str, Any]]) -> None:
        if self.degradation is None:
            return
        own = states[self.runtime.rank] if self.runtime.rank < len(states) else {}
        if "degradation" in own:
            self.degradation.load_state_dict(own["degradation"], self.device)
        else:
            log.warning("the state holds no pool of process %d: it fills anew.", self.runtime.rank)

    def _updaters(self) -> list[Updater]:
        return [self.updater, *([self.critic.updater] if self.critic is not None else [])]

    def _others(self) -> dict[str, nn.Module]:
        """The networks beside the one that is trained for."""
        critic = {"net_d": self.critic.net} if self.critic is not None else {}
        return {**critic, **self.companions}

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

    def _run(self, step: Step) -> Step:
        """The step with what the network gives."""
        with self.updater.autocast(), refusals("network_g", self.net):
            raw = self._running(step.batch["lq"])
        # Losses in float32 or more: sums of squares leave the range of half precision.
        outputs = {k: at_least_float32(v) for k, v in named_outputs(self.net, raw).items()}
        if self.ema is not None and self._reads("pred_ema"):
            with torch.no_grad(), self.updater.autocast():
                averaged = named_outputs(self.ema.net, self.ema.net(step.batch["lq"]))["pred"]
            outputs["pred_ema"] = at_least_float32(averaged)
        return Step(step.batch, outputs, step.targets)

    def _losses(
        self, step: Step, counts: Mapping[str, Tensor], parts: int, judged: list[Step]
    ) -> dict[str, Tensor]:
        step = self._run(step)
        self._refuse_other_size(step)
        # The updater averages over parts and processes; a sum over all samples has to undo that.
        share = parts * self.runtime.world_size if self._is_global() else 1
        losses = {
            name: term(step, counts.get(name)) * (share if term.is_additive else 1)
            for name, term in self.terms.items()
        }
        if self.critic is not None:
            losses[self.critic.name] = self.critic.term(step)
            detached = {name: value.detach() for name, value in step.outputs.items()}
            judged.append(Step(step.batch, detached, step.targets))
        return losses

    def _refuse_other_size(self, step: Step) -> None:
        """A network of another scale than the data."""
        images = [step.outputs.get("pred"), step.targets["gt"]]
        sizes = [image.shape[-2:] for image in images if image is not None and image.ndim == 4]
        if len(set(sizes)) > 1:
            made, wanted = ("x".join(map(str, size)) for size in sizes)
            message = (
                f"does not fit: the network makes {made} pixels, the ground truth has {wanted}."
            )
            raise OptionError([Fault("scale", message)])

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
