"""The adversary of a training step: a discriminator, its loss and its optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.core.registry import LOSS_REGISTRY
from smoothkit.core.runtime import Runtime
from smoothkit.core.settings import TrainSettings
from smoothkit.models.guard import Guard
from smoothkit.models.step import DEFAULT_INPUTS, Step, loss_sections, refusals
from smoothkit.models.updater import Updater
from smoothkit.ops.precision import at_least_float32


class Critic:
    """Judges results, and learns to tell them from ground truths.

    The discriminator is called bare in every process, so that no process waits for another in the
    middle of a step; its gradients are averaged before it is stepped.

    Args:
        net: images to logits.
        train: the ``train`` section: the adversarial loss in ``<name>_opt``, and ``optim_d``.
        settings: its settings.
        runtime: where this process runs.
        guard: shared with the generator's updater.

    Raises:
        OptionError: no adversarial loss, or several.
    """

    def __init__(
        self,
        net: nn.Module,
        train: Mapping[str, Any],
        settings: TrainSettings,
        runtime: Runtime,
        guard: Guard | None = None,
    ) -> None:
        sections = adversarial_sections(train)
        if len(sections) != 1:
            found = ", ".join(f"{name}_opt" for name in sections) or "none"
            message = f"needs one adversarial loss, 'gan_opt: {{type: GANLoss}}', got {found}."
            raise OptionError([Fault("network_d", message)])
        ((self.name, section),) = sections.items()
        options = thaw(section)
        self._pred = options.pop("pred", DEFAULT_INPUTS[0])
        self._target = options.pop("target", DEFAULT_INPUTS[1])
        self._loss = LOSS_REGISTRY.build(options, where=f"train.{self.name}_opt")
        self.reads = (self._pred, self._target)
        self.net = net
        # As the published programs have it, only what the generator's losses step is clipped.
        own = replace(settings, grad_clip=None)
        self.updater = Updater(net, train["optim_d"], own, runtime, guard, where="train.optim_d")

    def term(self, step: Step) -> Tensor:
        """The generator's loss: how far the result is from passing for a ground truth."""
        self._image(step, self._target)  # named here, before any weight has changed
        return self._value(self._image(step, self._pred), is_real=True, is_disc=False)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Without gradients for the discriminator, while the generator learns."""
        self.net.train().requires_grad_(False)
        try:
            yield
        finally:
            self.net.requires_grad_(True)

    def prepare(self, steps: Sequence[Step]) -> dict[str, Tensor]:
        """The gradients of a step of the discriminator on what the generator gave.

        Returns:
            Losses ``l_d_real``, ``l_d_fake`` and the mean logits ``out_d_real``, ``out_d_fake``.

        Raises:
            NonFiniteError: a loss or the gradient is NaN or infinite, unless the guard defers it.
        """
        logits: dict[str, Tensor] = {}
        logs = self.updater.prepare(
            [partial(self._losses, step, logits, len(steps)) for step in steps]
        )
        del logs["l_total"]
        return {**logs, **logits}

    def _losses(self, step: Step, logits: dict[str, Tensor], parts: int) -> dict[str, Tensor]:
        losses = {}
        for name, image, is_real in (
            ("d_real", self._image(step, self._target), True),
            ("d_fake", self._image(step, self._pred).detach(), False),
        ):
            judged = self._judge(image)
            share = judged.detach().mean() / parts
            logits[f"out_{name}"] = logits.get(f"out_{name}", torch.zeros_like(share)) + share
            losses[name] = self._loss(judged, is_real, is_disc=True)
        return losses

    def _image(self, step: Step, name: str) -> Tensor:
        try:
            image: Tensor = step[name]
        except KeyError as error:
            raise OptionError([Fault(f"train.{self.name}_opt", f"{error.args[0]}.")]) from error
        return image

    def _value(self, image: Tensor, *, is_real: bool, is_disc: bool) -> Tensor:
        value: Tensor = self._loss(self._judge(image), is_real, is_disc=is_disc)
        return value

    def _judge(self, image: Tensor) -> Tensor:
        with self.updater.autocast(), refusals("network_d", self.net):
            return at_least_float32(self.net(image))


def adversarial_sections(train: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The losses of a ``train`` section that judge logits, by name."""
    return {name: s for name, s in loss_sections(train).items() if is_adversarial(s)}


def is_adversarial(section: Mapping[str, Any]) -> bool:
    """True for a loss in the manner of BasicSR's GANLoss: logits, and whether they are real."""
    loss = LOSS_REGISTRY.get(section["type"])
    return "target_is_real" in signature(getattr(loss, "forward", loss)).parameters
