"""Option files that the references published, read as they are."""

from __future__ import annotations

import importlib
from dataclasses import replace

from smoothkit.core.options import OptionFile, thaw
from smoothkit.core.registry import system_modules


def in_our_form(file: OptionFile) -> tuple[OptionFile, list[str]]:
    """The file translated by the system that knows it, and the keys that nothing reads.

    A file in our own form comes back as it is. Each system's ``reference.py`` may define
    ``translate(options)``, which gives None for what is none of its files, else ``options``,
    ``unread`` and ``sources``: where, in the file, a path of ours came from.
    """
    for module in system_modules("reference"):
        translate = getattr(importlib.import_module(module), "translate", None)
        found = translate(thaw(file.data)) if translate is not None else None
        if found is not None:
            places = {
                ours: file.places[theirs]
                for ours, theirs in found.sources.items()
                if theirs in file.places
            }
            renamed = replace(file, places={**file.places, **places})
            return renamed.with_data(found.options), list(found.unread)
    return file, []
