"""Option files that the references published, read as they are."""

from __future__ import annotations

import re
from dataclasses import replace

from smoothkit.core.errors import OptionError
from smoothkit.core.options import OptionFile, thaw
from smoothkit.core.translation import translation_of
from smoothkit.engine.check import check

_READ_BY_KEY = re.compile(r"(datasets\.[^.]+|train|path|val|logger|dist_params)\.[^.]+")


def in_our_form(file: OptionFile) -> tuple[OptionFile, list[str]]:
    """The file translated by the system that knows it, and the keys that nothing reads.

    A file in our own form comes back as it is.

    Raises:
        OptionError: the system refuses it, with file and line.
    """
    try:
        found = translation_of(file.data)
    except OptionError as error:
        raise file.error(error.faults) from error
    if found is None:
        return file, []
    places = {
        ours: file.places[theirs] for ours, theirs in found.sources.items() if theirs in file.places
    }
    renamed = replace(file, places={**file.places, **places})
    read, unread = _without_unread(renamed.with_data(found.options))
    return read, [*found.unread, *unread]


def _without_unread(file: OptionFile) -> tuple[OptionFile, list[str]]:
    """The file without the keys that nothing takes, in sections that the programs read by key.

    What is passed on whole, to networks, optimisers and losses, is refused there as here.
    """
    unread = [
        fault.where
        for fault in check(file).faults
        if fault.is_unknown_key and _READ_BY_KEY.fullmatch(fault.where)
    ]
    options = thaw(file.data)
    for path in unread:
        *sections, key = path.split(".")
        section = options
        for name in sections:
            section = section[name]
        section.pop(key, None)
    return file.with_data(options), unread
