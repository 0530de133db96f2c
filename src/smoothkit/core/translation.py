"""What the systems know of files that the references published: each in its ``reference.py``."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from smoothkit.core.errors import SmoothkitError
from smoothkit.core.options import thaw
from smoothkit.core.registry import system_modules

log = logging.getLogger(__name__)


@dataclass
class Translation:
    """A published option file in our form.

    Args:
        options: the whole file.
        unread: dotted paths of published keys that nothing reads, here or there.
        sources: dotted path in our form -> the one it came from, for messages.
    """

    options: dict[str, Any]
    unread: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)


class Translator:
    """One published file on its way into our form; what has been taken from it is read.

    Args:
        options: a plain copy; it is changed.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._out: dict[str, Any] = {}
        self._result = Translation(self._out)

    def _take(self, *keys: str) -> None:
        """Keys at the top that are ours too."""
        for key in keys:
            if key in self._options:
                self._out[key] = self._options.pop(key)

    def _unread(self, section: dict[str, Any], where: str, *keys: str) -> None:
        """Take keys out that the published program does not read."""
        for key in keys:
            if key in section:
                section.pop(key)
                self._result.unread.append(f"{where}.{key}")

    def _came(self, ours: str, theirs: str) -> None:
        self._result.sources[ours] = theirs


def translation_of(options: Mapping[str, Any]) -> Any:
    """What a system makes of its published options, None for those in our own form.

    Each system's ``reference.py`` may define ``translate(options)``, which gives None for what is
    none of its files, else a ``Translation``.
    """
    return ask_systems("translate", lambda translate: translate(thaw(options)))


def ask_systems(name: str, call: Callable[[Any], Any]) -> Any:
    """The first answer that is not None of the functions called ``name`` in ``reference.py`` files.

    A system whose file or function fails must not take the others with it: where none of them
    answers, it is named in a warning.

    Args:
        name: of the function, which a system may leave out.
        call: is given the function.
    """
    failed: dict[str, str] = {}
    for module in system_modules("reference"):
        try:
            function = vars(importlib.import_module(module)).get(name)
            answer = call(function) if function is not None else None
        except SmoothkitError:  # it knows the file, and what is wrong with it
            raise
        except Exception as error:
            failed[module] = repr(error)
            continue
        if answer is not None:
            return answer
    for module, reason in failed.items():
        _warn_once(module, reason)
    return None


@cache
def _warn_once(module: str, reason: str) -> None:
    log.warning("%s fails: %s. Published files of its system are not recognised.", module, reason)
