"""What the systems know of files that the references published: each in its ``reference.py``."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from smoothkit.core.errors import SmoothkitError
from smoothkit.core.options import thaw
from smoothkit.core.registry import system_modules

log = logging.getLogger(__name__)


def translation_of(options: Mapping[str, Any]) -> Any:
    """What a system makes of its published options, None for those in our own form.

    Each system's ``reference.py`` may define ``translate(options)``, which gives None for what is
    none of its files, else ``options``, ``unread`` (keys that nothing reads) and ``sources``
    (where, in the file, a path of ours came from).
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
