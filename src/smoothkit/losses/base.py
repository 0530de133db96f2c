"""What the training step asks of a loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from torch import nn

from smoothkit.core.errors import DataError, Fault, OptionError


class Loss(nn.Module):
    """A loss whose ``forward`` returns the scalar that is summed and logged, weight included.

    A loss that depends on counts over the batch also has ``counts(*inputs)``, a tensor computed
    from the targets alone, and takes ``counts`` in ``forward``. Added up over processes and
    accumulated batches, they make the parts weigh what they would in one large batch.

    A loss may bring networks that train along: ``networks``, a ModuleDict by letter. That of letter
    x is stepped by the optimiser ``train.optim_<x>``, starts from ``path.pretrain_network_<x>``
    where it is given, and is saved as ``net_<x>``. ``companions`` tells before anything is built.

    Args:
        loss_weight: factor of the returned value.

    Attributes:
        inputs: names of the values of a step that ``forward`` takes by default, in order.
        additive: True if the loss of two batches together is the sum of theirs, not the mean.
        companions: letter -> option with the section of the network that trains along.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pred", "gt")
    additive: bool = False
    companions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    @classmethod
    def companions_for(cls, options: Mapping[str, Any]) -> Mapping[str, str]:
        """Those of ``companions`` that train under the options of a loss section."""
        return cls.companions

    @classmethod
    def faults_in(cls, options: Mapping[str, Any], where: str) -> list[Fault]:
        """What the rest of an option file has at odds with a section of this loss.

        It is asked for before anything is built, where the sections have no faults by themselves.

        Args:
            options: the whole option file.
            where: dotted path of the section, ``train.<name>_opt``.
        """
        return []


@contextmanager
def faults_of(option: str) -> Iterator[None]:
    """Turns a file that cannot be used into a fault of the loss's option that names it.

    Raises:
        OptionError: the code within raised DataError.
    """
    try:
        yield
    except DataError as error:
        raise OptionError([Fault.of(option, error)]) from error
