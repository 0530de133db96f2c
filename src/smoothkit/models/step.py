"""One training step's tensors by name, and the loss terms that read them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from torch import Tensor

from smoothkit.core.errors import DataError, Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.core.registry import DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
from smoothkit.core.signature import defaults, value_faults

# Keys of a loss section that say what it reads, and their kinds; the rest are the loss's own.
TERM_KEYS: Mapping[str, Any] = {"inputs": list[str], "pred": str, "target": str}
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
            OptionError: the batch does not have them, or the loss refuses them.
        """
        count = getattr(self.loss, "counts", None)
        if count is None:
            return None
        arguments = list(signature(self.loss.forward).parameters)
        read = [self.inputs[arguments.index(name)] for name in signature(count).parameters]
        with refusals(self.where, self.loss):
            counted: Tensor = count(*self._values(step, read))
        return counted

    def __call__(self, step: Step, counts: Tensor | None = None) -> Tensor:
        """The weighted loss; ``counts`` are those of the whole batch, over ranks and parts.

        Raises:
            OptionError: the step does not have what the loss reads, or the loss refuses it.
        """
        extra = {} if counts is None else {"counts": counts}
        with refusals(self.where, self.loss):
            value = self.loss(*self._values(step, self.inputs), **extra)
        if isinstance(value, tuple):  # BasicSR: (perceptual, style), either may be None
            parts = [part for part in value if part is not None]
            value = sum(parts[1:], parts[0])
        return value  # type: ignore[no-any-return]

    def _values(self, step: Step, names: Sequence[str]) -> list[Any]:
        return [self._value(step, name) for name in names]

    def _value(self, step: Step, name: str) -> Any:
        try:
            return step[name]
        except KeyError as error:
            message = f"{error.args[0]}. {hint_for(name)}"
            raise OptionError([Fault(self.where, message)]) from error


@contextmanager
def refusals(where: str, part: object) -> Iterator[None]:
    """Turns what a part of the step says of its arguments into a fault of the part's section.

    Shapes follow from options, such as the size of patches and batches, so that it is there that
    the user puts them right.

    Raises:
        OptionError: the code within raised ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise OptionError([Fault(where, f"{type(part).__name__} refuses this: {error}")]) from error


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
        OptionError: unknown loss or option, or a file of a loss that cannot be used.
    """
    return {
        name: _build_term(section, f"{where}.{name}_opt")
        for name, section in loss_sections(train).items()
        if name not in leave_out
    }


def readers(train: Mapping[str, Any], *, where: str = "train") -> dict[str, list[str]]:
    """The sections whose losses read a value, for each value that a ``train`` section names.

    Raises:
        OptionError: a section names its values wrongly.
    """
    found: dict[str, list[str]] = {}
    for name, section in loss_sections(train).items():
        path = f"{where}.{name}_opt"
        for value in inputs_of(section, LOSS_REGISTRY.get(section["type"]), path):
            found.setdefault(value, []).append(path)
    return found


def inputs_of(section: Mapping[str, Any], loss: Any, where: str) -> list[str]:
    """Names of what a loss, or its class, reads under its section, in order.

    Raises:
        OptionError: the section names its values wrongly.
    """
    chosen = {key: section[key] for key in TERM_KEYS if key in section}
    faults = [
        fault
        for key, value in chosen.items()
        for fault in value_faults(value, TERM_KEYS[key], f"{where}.{key}")
    ]
    if faults:
        raise OptionError(faults)
    inputs = list(chosen.get("inputs", getattr(loss, "inputs", DEFAULT_INPUTS)))
    for position, key in enumerate(("pred", "target")):
        if key in chosen and position >= len(inputs):
            message = f"{section['type']} reads {', '.join(inputs) or 'nothing'} only. Remove it."
            raise OptionError([Fault(f"{where}.{key}", message)])
        if key in chosen:
            inputs[position] = chosen[key]
    return inputs


def unset_option(options: Mapping[str, Any], name: str) -> str | None:
    """Dotted path of the option that gives items of the training set ``name``, if it is not set.

    Args:
        options: the whole option file.
        name: key of an item.
    """
    section = options["datasets"]["train"]
    cls = DATASET_REGISTRY.get(section["type"])
    option = getattr(cls, "optional", {}).get(name)
    if option is None or {**defaults(cls), **section}.get(option):
        return None
    return f"datasets.train.{option}"


def models_giving(name: str) -> list[str]:
    """The models that make a value of this name for losses to read."""
    return [key for key, model in MODEL_REGISTRY if name in getattr(model, "gives", ())]


def hint_for(name: str) -> str:
    """What to do about a value that the step does not have."""
    models = " or ".join(models_giving(name))
    given = f"Set model_type: {models}, which gives it, or name" if models else "Name"
    return f"{given} another with 'inputs', 'pred' or 'target'."


def _build_term(section: Mapping[str, Any], where: str) -> Term:
    options = {key: value for key, value in thaw(section).items() if key not in TERM_KEYS}
    try:
        loss = LOSS_REGISTRY.build(options, where=where)
    except DataError as error:  # a file of its; the loss does not know which section named it
        raise OptionError([Fault.of(where, error)]) from error
    return Term(loss, inputs_of(section, loss, where), where)
