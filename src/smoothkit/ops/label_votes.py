"""What several annotators say of a picture, as one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ORIGINAL, POSITIVE, SIMILAR, NEGATIVE = range(4)
NAMES = ("original", "positive", "similar", "negative")
_CODES = {name: code for code, name in enumerate(NAMES) if code != ORIGINAL}


def vote(labels: Sequence[str | None]) -> tuple[str | None, int]:
    """The label that most annotators gave, and how many did; ``similar``, 1 where none leads.

    A missing label counts like any other.

    Args:
        labels: of each annotator.

    Source: HGGT (arXiv 2303.13069), published code, whose three annotators make a lead of two.
    """
    (first, count), *others = Counter(labels).most_common(2)
    if others and others[0][1] == count:
        return NAMES[SIMILAR], 1
    return first, count


def normalised(label: object) -> str | None:
    """A label in lower case, without blanks or byte-order marks; None for null."""
    return None if label is None else str(label).strip("\ufeff \t\r\n").lower()


def code_of(label: str | None) -> int | None:
    """The number of an effective label; None where it is none of the three words."""
    return _CODES.get(label or "")
