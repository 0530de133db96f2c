"""Several filters with their settings, as a command line names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from smoothkit.core.errors import OptionError
from smoothkit.ops.filters.apply import check_filter, parse_setting


@dataclass(frozen=True)
class Candidate:
    """A filter with its settings."""

    method: str
    settings: Mapping[str, float]

    @property
    def label(self) -> str:
        """Its name in files and tables."""
        return "_".join([self.method, *(f"{k}={v:g}" for k, v in self.settings.items())])


def parse_grid(words: Sequence[str], option: str = "--grid") -> list[Candidate]:
    """The candidates of ``NAME:SETTING=A,B:SETTING=C``, all combinations of each word.

    Args:
        option: what the user gave the words to, for messages.

    Raises:
        OptionError: unknown filter or setting, or another form.
    """
    candidates = []
    for word in words:
        method, *parts = word.split(":")
        settings = {}
        for part in parts:
            name, _, values = part.partition("=")
            settings[name] = [parse_setting(f"{name}={value}")[1] for value in values.split(",")]
        for chosen in product(*settings.values()):
            candidate = Candidate(method, dict(zip(settings, chosen, strict=True)))
            check_filter(method, candidate.settings)
            candidates.append(candidate)
    if len({c.label for c in candidates}) < len(candidates):
        raise OptionError(f"{option}: names a filter with the same settings twice.")
    return candidates


def parse_candidate(text: str, option: str) -> Candidate:
    """The one candidate of ``NAME:SETTING=NUMBER``; arguments and errors as for ``parse_grid``."""
    candidates = parse_grid([text], option)
    if len(candidates) > 1:
        raise OptionError(f"{option} {text}: must give one number for each setting.")
    return candidates[0]
