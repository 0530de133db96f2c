"""Option files that the references published, handed to the system that knows them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from smoothkit.core.options import thaw
from smoothkit.core.registry import system_modules


def translation_of(options: Mapping[str, Any]) -> Any:
    """What a system makes of its published options, None for those in our own form.

    Each system's ``reference.py`` may define ``translate(options)``, which gives None for what is
    none of its files, else ``options``, ``unread`` (keys that nothing reads) and ``sources``
    (where, in the file, a path of ours came from).
    """
    for module in system_modules("reference"):
        translate = getattr(importlib.import_module(module), "translate", None)
        found = translate(thaw(options)) if translate is not None else None
        if found is not None:
            return found
    return None
