"""SIGTERM and SIGINT as a wish that the loop grants as soon as nothing has to be finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


class Interrupted(BaseException):
    """A signal came where nothing has to be finished; no ``except Exception`` holds it up."""


class StopSignals:
    """Catches the two signals while it is entered; ``received`` is the number of the first.

    A second SIGINT interrupts at once, for users who will not wait.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}
        self._may_interrupt = False

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within, a signal ends the waiting at once, as does one that came before.

        Raises:
            Interrupted: there was one.
        """
        self._may_interrupt = True
        try:
            if self.received:
                raise Interrupted
            yield
        finally:
            self._may_interrupt = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
        if self._may_interrupt:
            self._may_interrupt = False
            raise Interrupted


def exit_code(number: int) -> int:
    """What a shell reports for a process ended by signal ``number``: 143, 130."""
    return 128 + number
