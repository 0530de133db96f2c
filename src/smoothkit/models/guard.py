"""What keeps a step whose losses or gradients are not finite from changing any weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from smoothkit.core.distributed import any_rank
from smoothkit.core.errors import TrainingError


class NonFiniteError(TrainingError):
    """A loss or the gradient is NaN or infinite.

    Args:
        names: which; empty where only another process has it.
        is_late: it was so in the step before this one, which changed no weight. This one neither.
    """

    def __init__(self, names: Sequence[str], *, is_late: bool = False) -> None:
        self.names = [n for n in names if n not in ("l_total", "gradient")] or list(names)
        self.is_late = is_late
        super().__init__(f"not finite: {', '.join(self.names) or 'a loss of another process'}")


@dataclass(frozen=True)
class _Verdict:
    """Flags on their way to the host.

    Args:
        names: of the values.
        flags: one for each, and a last one: whether any process has such a value.
        wait: until ``flags`` is there.
    """

    names: list[str]
    flags: Tensor
    wait: Callable[[], None]

    def read(self, *, is_late: bool) -> None:
        self.wait()
        *own, is_any = self.flags.tolist()
        if is_any:
            bad = [name for name, flag in zip(self.names, own, strict=True) if flag]
            raise NonFiniteError(bad, is_late=is_late)


class Guard:
    """Looks at the losses and gradients of a step before it is made.

    On the CPU ``look`` raises at once. On a GPU the host does not wait for it: the optimisers get
    ``skip`` and leave the weights alone where it is 1, and the next step, or ``settle``, raises.

    Args:
        device: of the values.
        is_deferred: whether the host reads the flags a step later.
    """

    def __init__(self, device: torch.device, *, is_deferred: bool) -> None:
        self.is_deferred = is_deferred
        self.skip: Tensor | None = None
        self._device = device
        self._looked: list[tuple[list[str], Tensor]] = []
        self._pending: _Verdict | None = None

    def look(self, values: Mapping[str, Tensor]) -> None:
        """Look at the values of a network's step.

        Raises:
            NonFiniteError: unless deferred; in every process as soon as one has such a value.
        """
        # After backward, so that the device had work while this waits for it.
        is_bad = ~torch.isfinite(torch.stack([value.float() for value in values.values()]))
        self._looked.append((list(values), is_bad))
        if not self.is_deferred:
            self._verdict().read(is_late=False)

    def open(self) -> None:
        """Before the weights change: read what the step before had, and decide on this one.

        Raises:
            NonFiniteError: the step before had such a value; none of its weights was changed.
        """
        if not self.is_deferred:
            return
        earlier, self._pending = self._pending, None
        if earlier is not None:
            earlier.read(is_late=True)
        self._pending = self._verdict()

    def settle(self) -> None:
        """Wait for the flags of the last step.

        Raises:
            NonFiniteError: it had such a value, and changed no weight.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.read(is_late=False)

    def _verdict(self) -> _Verdict:
        """The flags of all that was looked at since the last one, in all processes."""
        names = [name for found, _ in self._looked for name in found]
        own = torch.cat([flags for _, flags in self._looked]).float()
        self._looked = []
        is_any = any_rank(own.max())
        if not self.is_deferred:
            return _Verdict(names, torch.cat([own, is_any[None]]), lambda: None)
        self.skip = is_any
        flags = torch.cat([own, is_any[None]]).to("cpu", non_blocking=True)
        if self._device.type != "cuda":
            return _Verdict(names, flags, lambda: None)
        arrived = torch.cuda.Event()
        arrived.record()
        return _Verdict(names, flags, arrived.synchronize)


def can_skip(optimizer: Optimizer) -> bool:
    """Whether an optimiser leaves the weights alone by a flag on the device: torch's fused ones."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def step_unless(optimizer: Optimizer, skip: Tensor) -> None:
    """Step a fused optimiser, whose weights and state stay as they are where ``skip`` is 1."""
    # What torch's GradScaler hands its optimisers.
    optimizer.grad_scale, optimizer.found_inf = None, skip  # type: ignore[attr-defined]
    try:
        optimizer.step()
    finally:
        del optimizer.grad_scale, optimizer.found_inf  # type: ignore[attr-defined]
