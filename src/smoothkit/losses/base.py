"""What the training step asks of a loss."""

from __future__ import annotations

from typing import ClassVar

from torch import nn


class Loss(nn.Module):
    """A loss whose ``forward`` returns the scalar that is summed and logged, weight included.

    A loss that depends on counts over the batch also has ``counts(*inputs)``, a tensor computed
    from the targets alone, and takes ``counts`` in ``forward``. Added up over processes and
    accumulated batches, they make the parts weigh what they would in one large batch.

    Args:
        loss_weight: factor of the returned value.

    Attributes:
        inputs: names of the values of a step that ``forward`` takes by default, in order.
        additive: True if the loss of two batches together is the sum of theirs, not the mean.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pred", "gt")
    additive: bool = False

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
