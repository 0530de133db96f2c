"""One training step's tensors by name, and the loss terms that read them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from torch import Tensor

from smoothkit.core.errors import Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.core.registry import LOSS_REGISTRY

# Keys of a loss section that say what it reads; the rest are the loss's own.
TERM_KEYS = ("inputs", "pred", "target")
DEFAULT_INPUTS = ("pred", "gt")


@dataclass(frozen=True)
class Step:
    """What the terms of one batch read.

    Args:
        batch: tensors of the data set, on the device: ``lq``, ``gt``, ``edge``, ...
        outputs: what the network gave: ``pred`` and whatever else it names.
        targets: drawn once for the step: ``gt`` and variants of it.
    """

    batch: Mapping[str, Any]
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value called ``name``: an output, else a target, else of the batch, else None."""
        for values in (self.outputs, self.targets, self.batch):
            if name in values:
                return values[name]
        return None

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            known = sorted({*self.outputs, *self.targets, *self.batch})
            raise KeyError(f"this step has no '{name}'; it has {', '.join(known)}")
        return value


@dataclass(frozen=True)
class Term:
    """A loss and the names of what it reads. Its weight is inside the loss.

    Args:
        loss: module called with the values of ``inputs`` in order; may return a pair, as BasicSR's
            perceptual loss does.
        inputs: names of step values.
        where: its section, for messages.
    """

    loss: Any
    inputs: Sequence[str]
    where: str

    @property
    def is_additive(self) -> bool:
        """True where the loss adds over samples instead of averaging."""
        return bool(getattr(self.loss, "additive", False))

    def counts(self, step: Step) -> Tensor | None:
        """The counts over this batch that weigh the loss, where it has such.

        They come from data alone, since the step has no outputs yet: ``counts`` of a loss takes
        those arguments of ``forward`` that it reads, by the same names.

        Raises:
            OptionError: the batch does not have them.
        """
        count = getattr(self.loss, "counts", None)
        if count is None:
            return None
        arguments = list(signature(self.loss.forward).parameters)
        read = [self.inputs[arguments.index(name)] for name in signature(count).parameters]
        counted: Tensor = count(*self._values(step, read))
        return counted

    def __call__(self, step: Step, counts: Tensor | None = None) -> Tensor:
        """The weighted loss; ``counts`` are those of the whole batch, over ranks and parts."""
        extra = {} if counts is None else {"counts": counts}
        value = self.loss(*self._values(step, self.inputs), **extra)
        if isinstance(value, tuple):  # BasicSR: (perceptual, style), either may be None
            parts = [part for part in value if part is not None]
            value = sum(parts[1:], parts[0])
        return value  # type: ignore[no-any-return]

    def _values(self, step: Step, names: Sequence[str]) -> list[Any]:
        try:
            return [step[name] for name in names]
        except KeyError as error:
            message = f"{error.args[0]}. Name another with 'inputs', 'pred' or 'target'."
            raise OptionError([Fault(self.where, message)]) from error


def loss_sections(train: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The losses of a ``train`` section by name: every ``<name>_opt`` that has a ``type``."""
    return {
        key.removesuffix("_opt"): value
        for key, value in train.items()
        if key.endswith("_opt") and isinstance(value, Mapping) and "type" in value
    }


def build_terms(
    train: Mapping[str, Any], *, where: str = "train", leave_out: Container[str] = ()
) -> dict[str, Term]:
    """The terms of a ``train`` section, in the order of the file.

    Args:
        train: the section.
        where: its dotted path, for messages.
        leave_out: names of losses that are none of these terms.

    Raises:
        OptionError: unknown loss or option.
    """
    return {
        name: _build_term(section, f"{where}.{name}_opt")
        for name, section in loss_sections(train).items()
        if name not in leave_out
    }


def _build_term(section: Mapping[str, Any], where: str) -> Term:
    options = thaw(section)
    chosen = {key: options.pop(key) for key in TERM_KEYS if key in options}
    loss = LOSS_REGISTRY.build(options, where=where)
    inputs = list(chosen.get("inputs", getattr(loss, "inputs", DEFAULT_INPUTS)))
    for position, key in enumerate(("pred", "target")):
        if key in chosen:
            inputs[position] = chosen[key]
    return Term(loss, inputs, where)
